"""Files to take away from the page: CSV and SVG as data: URLs, so that the report stays one file.

An SVG file stands alone: it carries the charts' patterns and their style in the light palette, with
every custom property written out, since drawing programs do not know them.
"""

from __future__ import annotations

import base64
import csv
import functools
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from reports.drawing import charts, patterns

TEMPLATES = Path(__file__).parents[1] / "page" / "templates"
WIDTH, MARGIN, TITLE = 1240, 16, 26  # of a composed figure, round its panels, and above each


def csv_url(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a CSV file (RFC 4180, UTF-8) as a URL; None is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows(rows)
    return f"data:text/csv;charset=utf-8,{quote(text.getvalue(), safe='')}"


def svg_url(panels: Sequence[tuple[str, Markup]]) -> str:
    """Return the charts of a figure, (title, SVG) each, as one SVG file of its own, as a URL."""
    data = base64.b64encode(svg(panels).encode()).decode()
    return f"data:image/svg+xml;base64,{data}"


def svg(panels: Sequence[tuple[str, Markup]]) -> str:
    """Return the charts side by side, as many a line as WIDTH holds, in one SVG document."""
    parts: list[Markup] = []
    x, y, line, right = MARGIN, MARGIN, 0, 0
    for title, chart in panels:
        width, height = charts.size(chart)
        height += TITLE
        if x > MARGIN and x + width > WIDTH:
            x, y, line = MARGIN, y + line + MARGIN, 0
        placed = Markup('<text class="panel" x="{}" y="{}">{}</text><svg x="{}" y="{}" {}').format(
            x, y + 16, title, x, y + TITLE, chart[len("<svg ") :]
        )
        parts.append(placed)
        x, line = x + width + MARGIN, max(line, height)
        right = max(right, x)
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}">'
        '<style>{2}</style><defs>{3}</defs><rect class="paper" width="{0}" height="{1}"/>{4}</svg>'
    ).format(right, y + line + MARGIN, Markup(style()), patterns.patterns(), Markup("").join(parts))  # noqa: S704 - our own file


@functools.cache
def style() -> str:
    """Return chart.css with the light palette of style.css in place of its custom properties."""
    root = re.search(r":root \{(.*?)\}", (TEMPLATES / "style.css").read_text(encoding="utf-8"), re.DOTALL)
    assert root, "style.css opens with the light palette"
    palette = dict(re.findall(r"--([\w-]+): ([^;]+);", root[1]))
    rules = (TEMPLATES / "chart.css").read_text(encoding="utf-8") + ".paper { fill: var(--paper); }\n"
    return re.sub(r"var\(--([\w-]+)\)", lambda use: palette[use[1]], rules)
