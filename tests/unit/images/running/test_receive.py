"""Results that travel as events arrive whole, unchanged and only where results belong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.common.errors import EngineError
from bench.measure.upload import PIECE, Upload
from images.running.receive import Receiver


def deaf(*_: object) -> None:
    raise AssertionError("no cell failed")


def carry(source: Path, target: Path) -> list[dict[str, Any]]:
    """Send what is in `source` as lines to a receiver of `target`; return the events."""
    events: list[dict[str, Any]] = []
    receiver = Receiver(target, deaf)

    def emit(event: Mapping[str, Any]) -> None:
        events.append(dict(event))
        receiver.take(json.dumps(event))

    Upload(source, emit).send()
    return events


@given(st.dictionaries(st.sampled_from(["cells/a.json", "loadgen/a/x.txt", "loadgen/b/y"]), st.binary()))
def test_files_arrive_as_they_were(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    for name, content in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    carry(source, target)
    arrived = {
        path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()
    }
    assert arrived == files


def test_an_event_fits_a_line_of_an_engines_log_and_results_come_last(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("cells/a.json", "loadgen/a/big.txt"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(bytes(3 * PIECE + 1))
    events = carry(source, tmp_path / "target")
    assert max(len(json.dumps(event)) for event in events) < 16 * 1024
    assert [event["path"] for event in events if event["sha256"]] == ["loadgen/a/big.txt", "cells/a.json"]


def test_only_what_is_new_is_sent_again(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "a.json").write_text("1")
    events: list[Mapping[str, Any]] = []
    courier = Upload(tmp_path, events.append)
    courier.known(tmp_path / "cells" / "a.json")
    courier.send()
    assert events == []
    (tmp_path / "cells" / "a.json").write_text("2")
    courier.send()
    courier.send()
    assert len(events) == 1


@pytest.mark.parametrize("name", ["../x", "cells/../../x", "/etc/x", "run.json", "report.html", "other/x"])
def test_a_file_that_is_none_of_a_run_is_refused(tmp_path: Path, name: str) -> None:
    event = {"event": "file", "path": name, "piece": "", "sha256": "e3b0c44298fc1c149afbf4c8996fb924"
             "27ae41e4649b934ca495991b7852b855"}  # fmt: skip
    with pytest.raises(EngineError, match="no file of a run"):
        Receiver(tmp_path / "run", deaf).take(json.dumps(event))
    assert not (tmp_path / "x").exists()


def test_a_damaged_file_is_refused_and_the_old_one_stays(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "a.json").write_text("old")
    event = {"event": "file", "path": "cells/a.json", "piece": "bmV3", "sha256": "0" * 64}
    with pytest.raises(EngineError, match="arrived damaged"):
        Receiver(tmp_path, deaf).take(json.dumps(event))
    assert (tmp_path / "cells" / "a.json").read_text() == "old"


def test_cells_and_exit_codes_are_heard(tmp_path: Path) -> None:
    failed: list[tuple[str, int, str]] = []
    receiver = Receiver(tmp_path, lambda *words: failed.append(words))
    for event in (
        {"event": "cell", "id": "a", "round": 1, "status": "ok", "reason": None},
        {"event": "cell", "id": "b", "round": 1, "status": "failed", "reason": "why"},
        {"event": "ended", "launch": 0, "exit_code": -4},
    ):
        receiver.take(json.dumps(event))
    assert receiver.heard == {("a", 1), ("b", 1)}
    assert failed == [("b", 1, "why")]
    assert receiver.ended == {0: -4}
