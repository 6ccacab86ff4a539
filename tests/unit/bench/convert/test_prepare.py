"""Prepare: events, what one failure costs, what another prepare finds. The workshop is a stand-in."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fixtures_artifacts import make_spec

from bench.common.errors import ArtifactError
from bench.convert import prepare
from bench.convert.wanted import missing
from bench.store import artifacts
from bench.store.artifacts import Artifact
from bench.store.recipes import Recipe

WANTED = [
    {"format": "tflite", "method": "FP32"},
    {"format": "tflite", "method": "INT16x8"},
    {"format": "tflite", "method": "FP16"},
    {"format": "openvino_ir", "method": "FP32"},
]


class Workshop:
    """Stores a few bytes for each recipe, but fails at those named in the spec."""

    def __init__(self, spec: dict[str, Any], cache: Path, scratch: Path, progress: Any) -> None:
        self._cache = cache
        self._bad = spec.get("bad", {})
        self._progress = progress

    def make(self, recipe: Recipe) -> Artifact:
        if recipe.format == "dataset":
            self._progress(1, 2)
        with artifacts.workspace(self._cache, recipe) as directory:
            (directory / "model.bin").write_text(recipe.key)
            bad = self._bad.get(recipe.method)
            if bad == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if bad:
                raise ArtifactError(bad)
            return artifacts.store(self._cache, recipe, directory, {"versions": {}, "agreement": None})


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("bench.convert.convert")
    module.Workshop = Workshop  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bench.convert.convert", module)


def run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], **changes: Any
) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    spec = make_spec(tmp_path / "cache", wanted=WANTED, models=["vgg19", "mobilenet_v2"], **changes)
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(spec))
    events: list[Any] = []
    code = prepare.main(str(path), events.append)
    assert not capfd.readouterr().out
    return code, json.loads(json.dumps(events)), spec


def test_everything_is_made_once_and_announced(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, events, spec = run(tmp_path, capfd)
    made = [event for event in events if event["event"] == "artifact"]
    assert (code, len(made)) == (0, 1 + 2 * (2 + len(WANTED)))
    assert all(event["bytes"] == 64 and event["seconds"] >= 0 and event["peak_bytes"] > 0 for event in made)
    assert {"event": "progress", "what": "dataset", "done": 1, "total": 2} in events
    assert made[0]["format"] == "dataset"
    assert missing(spec) == []
    assert run(tmp_path, capfd)[:2] == (0, []), "nothing is left to do"


def test_weights_and_reference_come_before_what_starts_from_them(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _, events, _ = run(tmp_path, capfd)
    for model in ("vgg19", "mobilenet_v2"):
        order = [event["format"] for event in events if event.get("model") == model]
        assert order[:2] == ["canonical", "reference"]


def test_torchscript_has_a_process_to_itself_and_others_share_one(tmp_path: Path) -> None:
    wanted = [
        *WANTED,
        {"format": "torchscript", "method": "FP32"},
        {"format": "torchscript", "method": "INT8-SQ"},
    ]
    spec = make_spec(tmp_path / "cache", wanted=wanted, models=["mobilenet_v2"])
    jobs = [
        [(recipe.format, recipe.method) for recipe in job.steps] for job in prepare._jobs(missing(spec), {})
    ]
    assert [("torchscript", "FP32")] in jobs
    assert [("torchscript", "INT8-SQ")] in jobs
    assert [("tflite", "FP32"), ("tflite", "INT16x8"), ("tflite", "FP16")] in jobs


@pytest.mark.parametrize(("bad", "reason"), [("killed", "memory ran out"), ("no such operator",) * 2])
def test_one_that_fails_stops_no_other(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], bad: str, reason: str
) -> None:
    code, events, spec = run(tmp_path, capfd, bad={"INT16x8": bad})
    errors = [event for event in events if event["event"] == "error"]
    assert code == 1
    assert [(event["format"], event["method"]) for event in errors] == [("tflite", "INT16x8")] * 2
    assert all(reason in event["message"] for event in errors)
    assert [recipe.method for recipe in missing(spec)] == ["INT16x8", "INT16x8"]
    code, events, _ = run(tmp_path, capfd)
    assert (code, [event["method"] for event in events]) == (0, ["INT16x8", "INT16x8"])
    assert not list((tmp_path / "cache").rglob(".tmp-*")), "what a kill leaves behind goes the next time"
