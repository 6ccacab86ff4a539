"""Nothing is deleted that was not named, and nothing without a yes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.common.errors import UsageError
from images.desk.clean import clean


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("out/a", "out/b", ".cache/wheels", ".cache/host/1"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text("x")
    return tmp_path


def left(root: Path) -> set[str]:
    return {str(path.parent.relative_to(root)) for path in root.rglob("file")}


EVERYTHING = {"out/a", "out/b", ".cache/wheels", ".cache/host/1"}


def test_a_dry_line_deletes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean(root, names=(), everything=False, hosts=(), yes=True, dry=True)
    assert left(root) == EVERYTHING
    assert capsys.readouterr().out == "would delete out/\n"


def test_without_a_terminal_and_a_yes_it_deletes_nothing(root: Path) -> None:
    with pytest.raises(UsageError, match=r"would delete out/\n  -> add --yes"):
        clean(root, names=(), everything=False, hosts=(), yes=False, dry=False)
    assert left(root) == EVERYTHING


@pytest.mark.parametrize(("answer", "gone"), [("", False), ("n", False), ("y", True), ("YES", True)])
def test_it_asks(root: Path, monkeypatch: pytest.MonkeyPatch, answer: str, gone: bool) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    clean(root, names=(), everything=False, hosts=(), yes=False, dry=False)
    assert left(root) == (EVERYTHING - {"out/a", "out/b"} if gone else EVERYTHING)


def test_one_run_goes_by_name(root: Path) -> None:
    clean(root, names=["a"], everything=False, hosts=(), yes=True, dry=False)
    assert left(root) == EVERYTHING - {"out/a"}
    with pytest.raises(UsageError, match="unknown run 'c'"):
        clean(root, names=["c"], everything=False, hosts=(), yes=True, dry=False)


def test_a_link_in_place_of_out_goes_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    kit, disk = tmp_path / "kit", tmp_path / "disk"
    kit.mkdir()
    (disk / "a").mkdir(parents=True)
    (disk / "a" / "file").write_text("x")
    (kit / "out").symlink_to(disk)
    clean(kit, names=(), everything=False, hosts=(), yes=True, dry=False)
    assert (disk / "a" / "file").is_file()
    assert not (kit / "out").is_symlink()


def test_everything_spares_the_environment_that_runs_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def removed(environment: object) -> list[str]:
        asked.append(environment)
        return ["edgequant/tflite:amd64"]

    monkeypatch.setattr("images.engines.docker.build.remove_images", removed)
    monkeypatch.setattr("images.engines.docker.store.remove_store", lambda _: False)
    clean(root, names=(), everything=True, hosts=(), yes=True, dry=False)
    assert left(root) == {".cache/host/1"}
    assert len(asked) == 1
