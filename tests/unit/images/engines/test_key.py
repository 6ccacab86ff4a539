"""What an image's content key depends on: what goes into it, and not the file that says so."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import docker
import pytest

from bench.plan import reading
from images.engines.docker.build import _Builder
from images.making import loadgen
from images.workspace import Workspace

ROOT = Path(__file__).parents[4]
TEXT = (ROOT / "matrix.toml").read_text(encoding="utf-8")
PLATFORM = """
[platforms.unrelated]
description = "another device"
arch = "arm64"
threads = 1
offline_batch = 1
"""


@pytest.fixture(autouse=True)
def _one_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """LoadGen's key names the compiler that this machine has, or not."""
    monkeypatch.setattr(loadgen, "key", lambda *_: "the same")


def keys(root: Path, text: str, *, name: str = "tflite") -> list[str]:
    """The keys of an image's architectures in a checkout with this matrix.toml."""
    root.mkdir()
    for part in ("bench", "images"):
        (root / part).symlink_to(ROOT / part)
    (root / "matrix.toml").write_text(text, encoding="utf-8")
    matrix, nobody = reading.load(root / "matrix.toml"), cast(docker.DockerClient, None)
    builders = [_Builder(matrix, arch, nobody, Workspace(root), print) for arch in matrix.images[name].arches]
    return [builder._bench_key(name) for builder in builders]


def changed(before: str, after: str) -> str:
    assert before in TEXT
    return TEXT.replace(before, after, 1)


@pytest.mark.parametrize(
    "text",
    [
        f"# a comment\n{TEXT}",
        TEXT + PLATFORM,
        changed('description = "OpenVINO', 'description = "Another OpenVINO'),
        changed("seed = ", "seed = 1"),
    ],
    ids=["a comment", "a platform", "another image", "a default"],
)
def test_what_is_none_of_it_changes_no_key(tmp_path: Path, text: str) -> None:
    assert text != TEXT
    assert keys(tmp_path / "other", text) == keys(tmp_path / "own", TEXT)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('description = "tflite-runtime', 'description = "Another tflite-runtime'),
        ('"**/tests/**"', '"**/tests/**", "**/more/**"'),
        ('suite = "bookworm"', 'suite = "trixie"'),
    ],
    ids=["its table", "what every image drops", "the base"],
)
def test_what_is_of_it_changes_its_key(tmp_path: Path, before: str, after: str) -> None:
    own = keys(tmp_path / "own", TEXT)
    assert all(one != other for one, other in zip(keys(tmp_path / "other", changed(before, after)), own))
