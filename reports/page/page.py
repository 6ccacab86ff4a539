"""A page that needs nothing else: template, style, policy."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from reports.run import wording

TEMPLATES = Path(__file__).with_name("templates")


def page(name: str, **context: Any) -> str:
    """Fill the template of a page that needs nothing else: its policy admits only the style within it."""
    style = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("chart.css", "style.css"))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return template(name).render(
        **context,
        style=Markup(style),  # noqa: S704 - our own file, not data
        style_hash=digest,
    )


def template(name: str, *, escape: bool = True, **filters: Callable[..., str]) -> jinja2.Template:
    """Return a template with the filters of reports/run/wording.py and `filters`; `escape` is for HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=escape,  # noqa: S701 - off only for what is no HTML
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(wording.FILTERS, **filters)
    return environment.get_template(name)
