"""What the bench is told of a launch, and what of this machine it gets to see."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.common import files
from bench.measure import series
from bench.measure.spec import SPEC_SCHEMA
from bench.store import results
from images.choosing.session import Session
from images.engines.engine import Engine, LaunchResult, Mount, identity, mounted
from images.making import bench_files
from images.preparing.prepare import Prepared
from images.running.launches import Launch, Wanted
from images.running.relay import relaying

SLACK = 10.0  # a launch is killed after this many times its predicted seconds, plus GRACE
GRACE = 600.0


def launch(
    session: Session,
    prepared: Prepared,
    engine: Engine,
    launches: Sequence[Launch],
    timeout_s: float,
    on_line: Callable[[str], None],
    audits: Sequence[str] = (),
) -> LaunchResult:
    """Run launches of one framework in one container of `engine`, which sees what they need and no more.

    Several launches become one series (bench/measure/series.py). With `audits` the one launch's cells, which
    are measured, are audited by these tests (bench/measure/audit.py). EngineError where the engine fails.
    """
    groups = [one.group for one in launches]
    needed = [part[group] for group in groups for part in (prepared.artifacts, prepared.references)]
    number = session.workbench.engines.index(engine)
    # A name of its own: two runs of one checkout may go on at once.
    path = session.workspace.cache / "specs" / f"{session.run_name}-{number}.json"
    mounts = (
        *mounted(session.workspace.cache, path, prepared.data, *needed),
        *([] if engine.remote else [Mount(session.workspace.cache / "relay", "/cache/relay")]),
        Mount(session.run_dir, "/results", writable=True),
    )
    relay = session.workspace.cache / "relay" / "relay.json"
    files.folder(relay.parent)
    specs = [_spec(session, prepared, engine, one, mounts) for one in launches]
    if audits:
        [spec] = specs
        command, told = "audit", {**spec, "tests": audits}
    elif len(specs) == 1:
        command, told = "measure", specs[0]
    else:
        command, told = "series", {"schema": series.SCHEMA, "launches": specs}
    files.replace(path, json.dumps(told))
    image = session.matrix.frameworks[groups[0].framework].image
    request = session.request(image, [command, engine.path(path, mounts)], mounts, timeout_s)
    with contextlib.nullcontext() if engine.remote else relaying(relay):
        return engine.launch(request, on_line)


def _spec(
    session: Session, prepared: Prepared, engine: Engine, launch: Launch, mounts: Sequence[Mount]
) -> dict[str, Any]:
    group, framework = launch.group, session.matrix.frameworks[launch.group.framework]
    artifact = prepared.artifacts[group]
    spec = {
        "schema": SPEC_SCHEMA,
        "round": launch.round,
        "rounds": session.profile_facts.rounds,
        "profile": session.profile,
        "performance": session.performance,
        "machine": engine.machine().label,
        "results": engine.path(session.run_dir, mounts),
        "artifact": engine.path(artifact.directory, mounts),
        "artifact_sha256": artifact.sha256,
        "data": engine.path(prepared.data.directory, mounts),
        "data_sha256": prepared.data.sha256,
        "reference": engine.path(prepared.references[group].directory, mounts),
        "reference_sha256": prepared.references[group].sha256,
        "relay": "" if engine.remote else engine.path(session.workspace.cache / "relay/relay.json", mounts),
        "isa_environment": session.isa_environment(group.framework, group.isa),
        "dataset": session.dataset.label,
        "threads": session.threads,
        "threads_why": session.threads_why,
        "emulated": session.emulated,
        "seed": session.matrix.defaults.seed,
        "engine": identity(engine, framework.image, session.arch),
        "lock": session.locks[group.framework],
        "code": bench_files.digest(session.workspace.root, framework.image),
        "package": framework.package,
        "method": session.matrix.method(group.method),
        "cells": [document(one) for one in launch.cells],
    }
    return {**spec, "so_far": _so_far(session.run_dir, launch)} if engine.remote else spec


def document(wanted: Wanted) -> dict[str, Any]:
    """A cell of a spec as the bench reads it; its key and what is asked go into its result as they are."""
    settings = wanted.asked.document()
    return {**asdict(wanted.cell), "id": wanted.id, "key": wanted.key, "settings": settings}


def _so_far(run_dir: Path, launch: Launch) -> dict[str, Any]:
    """The results of these cells' earlier rounds, for a container that cannot see them."""
    paths = {one.id: results.path_of(run_dir, one.id) for one in launch.cells}
    return {cell_id: results.load(path) for cell_id, path in paths.items() if path.exists()}


def used(session: Session, prepared: Prepared) -> dict[str, dict[str, Any]]:
    """What the cells of each framework are measured with, beside their artifact; part of their key.

    Rounds of another state of the kit's code, or of another CPU, do not belong together.
    """
    machine, root = session.workbench.machine, session.workspace.root
    common = {
        "data": prepared.data.sha256,
        "engine": session.workbench.engine.kind,
        "threads": session.threads,
        "cpu": session.platform_facts.qemu_cpu
        if session.emulated
        else [machine.cpu_model, *_levels(session)],
    }
    frameworks = session.matrix.frameworks
    return {
        name: {"lock": locked, "code": bench_files.digest(root, frameworks[name].image), **common}
        for name, locked in session.locks.items()
    }


def _levels(session: Session) -> list[str]:
    """The instruction sets of the matrix that the CPU has: hypervisors hide some of a model's."""
    flags = set(session.workbench.machine.flags)
    return [name for name, isa in session.matrix.isas.items() if flags.issuperset(isa.flags)]
