"""A series runs each launch in a process of its own and says how each ended."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.common.errors import UsageError
from bench.measure import series

ROOT = Path(__file__).parents[4]


def test_a_launch_that_fails_does_not_end_the_series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = Path(np.__file__).parents[1]  # the bench runs without site-packages of its own
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{packages}")
    spec = tmp_path / "series.json"
    spec.write_text(json.dumps({"schema": 1, "launches": [{"schema": 0}, {"schema": 0}]}))
    events: list[Mapping[str, Any]] = []
    assert series.run(spec, events.append) == 1
    assert events == [
        {"event": "ended", "launch": 0, "exit_code": UsageError.exit_code},
        {"event": "ended", "launch": 1, "exit_code": UsageError.exit_code},
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 9, "launches": []}'])
def test_what_is_no_series_is_one_clear_error(tmp_path: Path, text: str) -> None:
    spec = tmp_path / "series.json"
    spec.write_text(text)
    with pytest.raises(UsageError, match="not a series spec"):
        series.run(spec, lambda _: None)
