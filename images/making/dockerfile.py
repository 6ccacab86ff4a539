"""Dockerfiles: one template, two small files an image (its wheels, and the bench on top)."""

from __future__ import annotations

from pathlib import Path

import jinja2

from bench.plan.matrix import Image, Matrix
from images.making.base import USER

TEMPLATE = Path(__file__).parents[1] / "Dockerfile.j2"
RENDERED = TEMPLATE.with_name("rendered")


def render(name: str, image: Image, arch: str, part: str) -> str:
    """Return the Dockerfile of one image: `part` is "wheels" or "bench" (the image that runs)."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, autoescape=False)  # noqa: S701 (not HTML)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(name=name, image=image, arch=arch, part=part, user=USER)


def render_all(matrix: Matrix) -> dict[Path, str]:
    """Return the text of every committed Dockerfile, by path."""
    texts = {}
    for name, image in matrix.images.items():
        for arch in image.arches:
            texts[RENDERED / f"{name}-wheels-{arch}.Dockerfile"] = render(name, image, arch, "wheels")
            texts[RENDERED / f"{name}-{arch}.Dockerfile"] = render(name, image, arch, "bench")
    return texts


def write_all(matrix: Matrix) -> None:
    """Write every rendered Dockerfile and remove those of images that are gone."""
    wanted = render_all(matrix)
    for path in set(RENDERED.glob("*.Dockerfile")) - set(wanted):
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
