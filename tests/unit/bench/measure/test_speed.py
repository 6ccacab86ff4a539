"""`python -m bench speed`: one event an artifact, whatever becomes of the others."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.common.errors import MeasureError
from bench.measure import speed
from bench.runtimes import base
from bench.runtimes.evidence import Quantization

FP32 = Quantization("FP32", "none", ("f32",))


class Backend:
    """Loads what is not called "broken" or "odd", and remembers what it was given."""

    layout, warm_calls = "NHWC", 2

    def __init__(self, path: Path, options: base.Options) -> None:
        if path.name == "broken":
            raise MeasureError("cannot load the model")
        self.path, self.options, self.batch, self.calls = path, options, 0, 0

    def compile(self, batch: int, scenario: str) -> Backend:
        self.batch = batch
        return self

    def bind(self, store: Any, starts: Iterable[int]) -> None:
        assert store.shape[1:] == (6, 5, 3)
        self.starts = set(starts)

    def run(self, start: int) -> Any:
        assert start in self.starts
        self.calls += 1
        if self.path.name == "odd":
            raise RuntimeError("no kernel")
        return np.zeros((1, 10), np.float32)


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    def module(framework: str, options: base.Options) -> Any:
        assert options.isa == "AVX2"
        assert options.isa_environment == {"KIT_TEST_CAP": "1"}
        return SimpleNamespace(load=Backend)

    monkeypatch.setattr(base, "module", module)
    np.save(tmp_path / "test-images.npy", np.zeros((3, 3, 6, 5), np.float32))
    names = ("broken", "good", "odd", "fine")
    return {
        "schema": 1,
        "framework": "openvino",
        "threads": 2,
        "data": str(tmp_path),
        "isa": "AVX2",
        "isa_environment": {"KIT_TEST_CAP": "1"},
        "artifacts": [
            {"sha256": name, "path": str(tmp_path / name), "method": asdict(FP32)} for name in names
        ],
    }


def test_one_failure_is_an_event_and_the_others_go_on(spec: dict[str, Any]) -> None:
    heard: list[Mapping[str, Any]] = []
    assert speed.launch(spec, heard.append) == 1
    assert [event["sha256"] for event in heard] == ["broken", "good", "odd", "fine"]
    assert all(event["event"] == "speed" for event in heard)
    errors = {event["sha256"]: event.get("error") for event in heard}
    assert errors == {
        "broken": "cannot load the model",
        "good": None,
        "odd": "RuntimeError: no kernel",
        "fine": None,
    }
    for event in (heard[1], heard[3]):
        assert event["load_seconds"] >= 0
        assert 0 < event["seconds_per_sample"] < 0.1


def test_all_well_is_exit_code_zero(spec: dict[str, Any]) -> None:
    spec["artifacts"] = spec["artifacts"][1:2]
    assert speed.launch(spec, lambda event: None) == 0


def test_data_that_is_not_there_is_an_event_too(spec: dict[str, Any], tmp_path: Path) -> None:
    heard: list[Mapping[str, Any]] = []
    spec["data"], spec["artifacts"] = str(tmp_path / "nowhere"), spec["artifacts"][1:2]
    assert speed.launch(spec, heard.append) == 1
    assert "error" in heard[0]


def test_the_cap_is_in_the_environment_before_the_framework_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KIT_TEST_CAP", "")
    seen: list[str] = []
    monkeypatch.setattr(importlib, "import_module", lambda name: seen.append(os.environ["KIT_TEST_CAP"]))
    options = base.Options(FP32, 1, "AVX2", {"KIT_TEST_CAP": "AVX2"})
    base.module("openvino", options)
    assert seen == ["AVX2"]
