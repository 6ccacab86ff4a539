"""Which edgequant a checkout is: its own commit, whatever the shell, a parent folder or an owner say."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bench.common.errors import UsageError
from images.kit import kit, revision
from images.workspace import epoch


def git(root: Path, *words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", *identity, "-C", str(root), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def checkout(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "pyproject.toml").write_text('[project]\nversion = "1"\n')
    (root / "matrix.toml").write_text("schema = 1\n")
    return root


def committed(root: Path) -> str:
    checkout(root)
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "one")
    return git(root, "rev-parse", "HEAD")


def test_the_checkouts_own_commit(tmp_path: Path) -> None:
    commit = committed(tmp_path)
    assert revision(tmp_path) == commit
    assert kit(tmp_path)["dirty"] is False
    (tmp_path / "matrix.toml").write_text("schema = 2\n")
    assert revision(tmp_path) == f"{commit}-dirty"
    assert kit(tmp_path)["dirty"] is True


def test_a_copy_inside_another_repository_has_no_revision(tmp_path: Path) -> None:
    """The parent's commit was given for the kit's, and the parent's cleanness."""
    committed(tmp_path)
    inside = checkout(tmp_path / "kit")
    assert revision(inside) == "unknown"
    assert kit(inside)["dirty"] is True


def test_a_hooks_variables_name_another_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = committed(tmp_path / "kit")
    committed(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    assert revision(tmp_path / "kit") == commit


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder to another owner")
def test_another_owner_is_no_reason_to_know_nothing(tmp_path: Path) -> None:
    commit = committed(tmp_path)
    for path in (tmp_path, *tmp_path.rglob("*")):
        os.chown(path, 12345, 12345)
    assert revision(tmp_path) == commit


@pytest.mark.parametrize("word", ["", "  "])
def test_an_empty_epoch_is_none(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", word)
    assert epoch() == 1767225600


@pytest.mark.parametrize("word", ["yesterday", "-1", "1e9", str(1 << 40)])
def test_an_epoch_that_is_no_date_is_one_error(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", word)
    with pytest.raises(UsageError, match="is no date") as caught:
        epoch()
    assert caught.value.where == "SOURCE_DATE_EPOCH"
