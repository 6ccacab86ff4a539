"""What a container reads as another user than the root who makes it, whatever the umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures_artifacts import make_spec

from bench.common import files
from bench.convert.wanted import recipes
from bench.device import firmware
from bench.store import artifacts


@pytest.fixture(autouse=True)
def private() -> Iterator[None]:
    """The umask of a careful root."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_spec_and_its_folder(tmp_path: Path) -> None:
    spec = files.folder(tmp_path / "specs") / "run.json"
    files.replace(spec, "{}")
    assert (mode(spec.parent), mode(spec)) == (0o755, 0o644)


def test_a_folder_that_was_there_is_opened(tmp_path: Path) -> None:
    (tmp_path / "relay").mkdir()
    assert mode(tmp_path / "relay") == 0o700
    assert mode(files.folder(tmp_path / "relay")) == 0o755


def test_what_the_host_relays(tmp_path: Path) -> None:
    boot = tmp_path / "proc/sys/kernel/random/boot_id"
    boot.parent.mkdir(parents=True)
    boot.write_text("x\n")
    firmware.relay(tmp_path / "relay.json", {"firmware": "0x0"}, tmp_path)
    assert mode(tmp_path / "relay.json") == 0o644


def test_an_artifact_and_the_arrays(tmp_path: Path) -> None:
    for recipe in recipes(make_spec(tmp_path))[:2]:
        with artifacts.exclusive(tmp_path), artifacts.workspace(tmp_path, recipe) as directory:
            (directory / "model.bin").write_bytes(b"x")
            made = artifacts.store(tmp_path, recipe, directory, {})
        assert (mode(made.directory), mode(made.directory / "model.bin")) == (0o755, 0o644)
