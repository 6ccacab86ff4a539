"""The patterns of the bars, one a method: nothing hangs on colour."""

from __future__ import annotations

from markupsafe import Markup

SLOTS = 8  # patterns and colours in page/templates/style.css


def defs() -> Markup:
    """Return the patterns that every chart of the page shares; put it once into the body."""
    return Markup('<svg class="defs" width="0" height="0" aria-hidden="true"><defs>{}</defs></svg>').format(
        patterns()
    )


def patterns() -> Markup:
    """Return a pattern for each slot."""
    lines = (
        "",
        "M-1,7 L7,-1 M-1,1 L1,-1 M5,7 L7,5",
        "M0,3 H6",
        "M3,2 V4",
        "M-1,-1 L7,7 M-1,5 L1,7 M5,-1 L7,1",
        "M0,3 H6 M3,0 V6",
        "M3,0 V6",
        "M1,1 V3 M4,4 V6",
    )
    return Markup("").join(
        Markup(
            '<pattern id="p{0}" width="6" height="6" patternUnits="userSpaceOnUse">'
            '<rect class="s{0}" width="6" height="6"/><path class="hatch" d="{1}"/></pattern>'
        ).format(slot, path)
        for slot, path in enumerate(lines)
    )
