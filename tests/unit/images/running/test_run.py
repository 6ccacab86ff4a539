"""`invoke run`: a run, and however it ends its report."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from bench.common.errors import FailedCellsError
from images.choosing.session import Session
from images.desk import measure
from images.running import run


class Stand:
    """Stands for a session and for its run, which is stopped by an error or ends with one."""

    def __init__(self, run_dir: Path, stopped: BaseException | None = None) -> None:
        self.run_dir = self.existing_run = run_dir
        self.matrix = None
        self._stopped = stopped
        self.done: list[str] = []

    def go(self, **_: bool) -> None:
        self.done.append("go")
        if self._stopped:
            raise self._stopped

    def end(self) -> None:
        self.done.append("end")
        raise FailedCellsError("1 cells failed")


def measured(one: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "begin", lambda *_, **__: one)
    monkeypatch.setattr(measure, "render", lambda *_: one.done.append("report"))
    measure.measure(cast("Session", cast("Any", one)), fresh=False, no_limit=False)


def test_the_report_is_there_before_the_run_says_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.json").touch()
    one = Stand(tmp_path)
    with pytest.raises(FailedCellsError):
        measured(one, monkeypatch)
    assert one.done == ["go", "report", "end"]


def test_a_run_that_is_stopped_reports_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Stand(tmp_path, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):  # before there is a run to report
        measured(one, monkeypatch)
    assert one.done == ["go"]
    (tmp_path / "run.json").touch()
    with pytest.raises(KeyboardInterrupt):
        measured(one, monkeypatch)
    assert one.done == ["go", "go", "report"]
