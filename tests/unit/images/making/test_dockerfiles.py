"""The committed Dockerfiles are what the template gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.plan import reading
from images.making import dockerfile

TEXTS = dockerfile.render_all(reading.load(Path(__file__).parents[4] / "matrix.toml"))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_committed_dockerfile_is_up_to_date(path: Path) -> None:
    assert path.read_text() == TEXTS[path], "run `invoke generate`"


def test_no_dockerfile_is_left_over() -> None:
    assert set(dockerfile.RENDERED.glob("*.Dockerfile")) == set(TEXTS)


@pytest.mark.parametrize("text", TEXTS.values(), ids=[path.name for path in TEXTS])
def test_dockerfile_runs_and_fetches_nothing(text: str) -> None:
    words = {line.split()[0] for line in text.splitlines() if line and not line.startswith((" ", "#"))}
    assert words <= {"ARG", "FROM", "ADD", "ENV", "USER", "ENTRYPOINT"}
    assert text.startswith("# Generated from images/Dockerfile.j2 by `invoke generate`, do not edit.\n")
