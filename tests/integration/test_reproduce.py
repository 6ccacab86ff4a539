"""A run published and measured again in another checkout: real engine, real registry, real frameworks."""

# ruff: noqa: F401, F811 (fixtures come by import)

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT, Kit
from conftest import CODE
from local_registry import LocalRegistry, registry

CELLS = ("--framework", "onnxruntime", "--method", "FP32,INT8-SQ", "--scenario", "Offline")
SMALL = (*CELLS, "--model", "mobilenet_v2", "--engine", "docker")
IMAGE = "edgequant/onnxruntime:amd64"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Kit:
    """Another checkout, which has the wheels but no artifact."""
    kit = Kit(tmp_path / "elsewhere")
    (kit.root / ".cache").mkdir(parents=True)
    for name in CODE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, kit.root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, kit.root)
    for name in ("wheels", "site", "base", "loadgen"):
        (kit.root / ".cache" / name).symlink_to(ROOT / ".cache" / name)
    return kit


def repin(folder: Path) -> None:
    """Let set.toml pin the cells as they are now, as somebody who publishes other results would."""
    record = folder / "set.toml"
    text = record.read_text()
    for path in (folder / "cells").glob("*.json"):
        [line] = [line for line in text.splitlines() if line.startswith(f'"{path.stem}" =')]
        text = text.replace(line, f'"{path.stem}" = "{hashlib.sha256(path.read_bytes()).hexdigest()}"')
    record.write_text(text)


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
def test_a_set_is_reproduced_from_its_registry_and_archive_and_a_false_one_is_not(
    copy: Callable[[str, str], Kit], elsewhere: Kit, registry: LocalRegistry, tmp_path: Path
) -> None:
    home = copy("schema = 1", "schema = 1 # the set's")
    for words in (
        ("run", "--profile", "smoke", *SMALL),
        ("publish", "--registry", registry.host, "--image", "onnxruntime"),
        ("freeze", "--profile", "smoke", "--as", "tiny", "--artifacts", f"{tmp_path}/tiny.tgz"),
    ):
        done = home.do(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    assert f"{registry.host}/edgequant-onnxruntime@sha256:" in done.stdout
    published = tmp_path / "reports" / "published" / "tiny"
    assert sorted(path.name for path in published.iterdir()) == [
        "cells",
        "report.html",
        "run.json",
        "set.toml",
    ]
    folder = elsewhere.root / "reports" / "published" / "tiny"
    shutil.copytree(published, folder)
    shutil.move(tmp_path / "tiny.tgz", folder / "tiny.tgz")
    subprocess.run(["docker", "rmi", "-f", IMAGE], check=True, capture_output=True)

    done = elsewhere.do("reproduce", "tiny")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "artifacts imported" in done.stdout
    assert f"pulling {registry.host}/edgequant-onnxruntime@sha256:" in done.stdout
    assert "Of 2 published cells 2 agree" in done.stdout
    out = elsewhere.root / "out" / "reproduce-tiny"
    document = json.loads((out / "reproduction.json").read_text())
    assert [row["verdict"] for row in document["cells"]] == ["agrees", "agrees"]
    assert all("bit for bit" in row["outputs"]["reason"] for row in document["cells"])
    assert document["images"] == {}, "the published image measured"
    theirs, ours = (
        {p.stem: json.loads(p.read_text()) for p in (f / "cells").iterdir()} for f in (folder, out)
    )
    for name, result in theirs.items():
        assert ours[name]["environment"]["engine"]["digest"] == result["environment"]["engine"]["digest"]
        assert ours[name]["rounds"][0]["started"] > result["rounds"][0]["started"]
    for word in ("p90", "samples/s"):
        assert word not in (out / "reproduction.html").read_text(), "smoke shows no timing"

    _a_changed_cell_is_refused(elsewhere, folder)
    _other_outputs_disagree(elsewhere, folder)
    _a_digest_that_the_registry_has_not_is_refused(elsewhere, folder)
    _without_a_registry_it_is_built_from_the_lock(elsewhere, folder, registry)


def _edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    path = next((folder / "cells").glob("*INT8-SQ*"))
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return path


def _a_changed_cell_is_refused(kit: Kit, folder: Path) -> None:
    before = next((folder / "cells").glob("*INT8-SQ*")).read_bytes()
    path = _edit(folder, lambda one: one["agreement"].update(max_abs_diff=0.0))
    done = kit.do("reproduce", "tiny")
    assert done.returncode == 7, done.stdout + done.stderr
    assert "is not what set.toml pins" in done.stderr
    path.write_bytes(before)


def _other_outputs_disagree(kit: Kit, folder: Path) -> None:
    before = next((folder / "cells").glob("*INT8-SQ*")).read_bytes()
    path = _edit(folder, lambda one: one["agreement"].update(logits_sha256="0" * 64))
    repin(folder)
    done = kit.do("reproduce", "tiny")
    assert done.returncode == 14, done.stdout + done.stderr
    assert "every cell is measured" in done.stdout, "the same command goes on"
    assert "the published image is here" in done.stdout
    assert "other logits of 32 samples" in done.stderr
    path.write_bytes(before)
    repin(folder)


def _a_digest_that_the_registry_has_not_is_refused(kit: Kit, folder: Path) -> None:
    record = folder / "set.toml"
    right = record.read_text()
    [digest] = [line for line in right.splitlines() if line.startswith('digest = "sha256:')]
    record.write_text(right.replace(digest, f'digest = "sha256:{"0" * 64}"'))
    subprocess.run(["docker", "rmi", "-f", IMAGE], check=True, capture_output=True)
    done = kit.do("reproduce", "tiny")
    assert done.returncode == 12, done.stdout + done.stderr
    assert "is not there" in done.stderr
    assert "Traceback" not in done.stderr
    record.write_text(right)


def _without_a_registry_it_is_built_from_the_lock(kit: Kit, folder: Path, registry: LocalRegistry) -> None:
    registry.kill()
    done = kit.do("reproduce", "tiny", "--framework", "onnxruntime", "--method", "FP32", "--name", "again")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cannot be pulled" in done.stdout
    assert "onnxruntime: built from its lock" in done.stdout
    assert "NOT the published" not in done.stdout
    assert "Of 1 published cell 1 agrees" in done.stdout


def test_what_is_no_set_is_one_clear_error() -> None:
    done = Kit(ROOT).do("reproduce", "nothing-of-the-kind")
    assert done.returncode == 3
    assert "is no published set" in done.stderr
    done = Kit(ROOT).do("freeze", "--name", "no-such-run", "--as", "a-set")
    assert done.returncode == 3
    assert "there is no run 'no-such-run'" in done.stderr
