"""How fast each artifact is here: timed for a moment before the run, kept for the next one.

One launch a framework loads each of its artifacts and times a call or two at batch 1. What was measured
stays in the cache under all that a speed depends on: artifact, lock, engine, CPU, threads, cap.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from bench.common import files
from bench.measure.spec import SPEC_SCHEMA
from bench.plan.prediction import Speed, guess
from bench.store.artifacts import Artifact
from images.choosing.groups import Group
from images.choosing.session import Session
from images.engines.engine import mounted

SCHEMA = 1
TIMEOUT = 1800.0


Speeds = dict[Group, Speed]


def known(session: Session, artifacts: Mapping[Group, Artifact]) -> Speeds:
    """Return the speeds measured before on this machine, and a guess for every other group."""
    cached = _read(session)
    found = {}
    for group, artifact in artifacts.items():
        row = cached.get(_key(session, group, artifact))
        found[group] = (
            Speed(**row, measured=True)
            if row
            else guess(session.matrix, group.model, session.threads, emulated=session.emulated)
        )
    return found


def timed(
    session: Session,
    artifacts: Mapping[Group, Artifact],
    data: Artifact,
    doubtful: Callable[[Speeds], set[Group]],
) -> Speeds:
    """Time what is not known yet. A framework that cannot be timed is guessed: it may fail later.

    What is new and `doubtful` (so slow that cells would be left out) is measured twice and the better
    figure kept: one busy moment of the machine must not cost a cell.
    """
    new = {group for group, speed in known(session, artifacts).items() if not speed.measured}
    _measure(session, new, artifacts, data)
    _measure(session, new & doubtful(known(session, artifacts)), artifacts, data)
    return known(session, artifacts)


def _measure(
    session: Session, groups: Collection[Group], artifacts: Mapping[Group, Artifact], data: Artifact
) -> None:
    """Time these groups, one launch a framework and cap, and keep the better of old and new."""
    together: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        together.setdefault((group.framework, group.isa), []).append(group)
    cached = _read(session)
    for some in together.values():
        by_hash = {artifacts[group].sha256: group for group in some}
        for event in _launch(session, some, artifacts, data):
            if "error" not in event:
                group = by_hash[event["sha256"]]
                key = _key(session, group, artifacts[group])
                row = {name: event[name] for name in ("load_seconds", "seconds_per_sample")}
                cached[key] = min(row, cached.get(key, row), key=lambda one: one["seconds_per_sample"])
    if groups:
        path = session.workspace.cache / "speeds.json"
        files.replace(path, json.dumps({"schema": SCHEMA, "speeds": cached}, indent=1, sort_keys=True))


def _launch(
    session: Session, groups: list[Group], artifacts: Mapping[Group, Artifact], data: Artifact
) -> Iterable[dict[str, Any]]:
    """Run `bench speed` for one framework under one cap; return what it said of each artifact."""
    cache, engine = session.workspace.cache, session.workbench.engine
    path = cache / "specs" / "speed.json"
    mounts = mounted(cache, path, data, *(artifacts[group] for group in groups))
    first = groups[0]
    spec = {
        "schema": SPEC_SCHEMA,
        "framework": first.framework,
        "threads": session.threads,
        "isa": first.isa,
        "isa_environment": session.isa_environment(first.framework, first.isa),
        "data": engine.path(data.directory, mounts),
        "artifacts": [
            {
                "sha256": artifacts[group].sha256,
                "path": engine.path(artifacts[group].directory, mounts),
                "method": session.matrix.method(group.method),
            }
            for group in groups
        ],
    }
    files.replace(path, json.dumps(spec))
    heard: list[dict[str, Any]] = []
    request = session.request(
        session.matrix.frameworks[first.framework].image,
        ["speed", engine.path(path, mounts)],
        mounts,
        TIMEOUT,
    )
    engine.launch(request, lambda line: heard.append(json.loads(line)))
    return heard


def _key(session: Session, group: Group, artifact: Artifact) -> str:
    bench = session.workbench
    facts = [artifact.sha256, session.locks[group.framework], group.isa, session.threads, bench.engine.kind]
    facts += [bench.machine.cpu_model, session.platform_facts.qemu_cpu if session.emulated else ""]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _read(session: Session) -> dict[str, Any]:
    """The cached speeds; a file of another schema or a damaged one is measured again."""
    try:
        document = json.loads((session.workspace.cache / "speeds.json").read_text(encoding="utf-8"))
        return dict(document["speeds"]) if document["schema"] == SCHEMA else {}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}
