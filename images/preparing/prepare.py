"""Make the artifacts of a plan in the prepare image, or find that they are there."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import Progress, TaskID

from bench.common import files
from bench.common.errors import ArtifactError
from bench.convert import wanted
from bench.store import artifacts as store
from bench.store.artifacts import Artifact
from bench.store.recipes import Recipe
from images.choosing.groups import Group, groups
from images.choosing.session import Session
from images.engines.engine import Mount, Request
from images.making import lock
from images.making.bench_files import PREPARE
from images.preparing import room
from images.preparing.files import gather
from images.say import CONSOLE
from images.workspace import size

TIMEOUT = 3600.0


@dataclass(frozen=True)
class Prepared:
    """The artifacts of a run and the FP32 logits their outputs are compared with, by group; the dataset.

    `failed` holds the groups whose artifact (or its reference) could not be made, with the reason.
    """

    artifacts: dict[Group, Artifact]
    failed: dict[Group, str]
    references: dict[Group, Artifact]
    data: Artifact
    seconds: float

    def rows(self) -> list[dict[str, Any]]:
        """The artifacts as run.json lists them."""
        return [
            {
                "framework": group.framework,
                "model": group.model,
                "method": group.method,
                "arch": artifact.entry["recipe"]["arch"],
                "made_on": store.made_on(artifact),
                "sha256": artifact.sha256,
                "bytes": artifact.bytes,
                "versions": artifact.entry.get("versions", {}),
                "notes": artifact.entry.get("notes", []),
                "calibration_samples": artifact.entry.get("calibration_samples"),
            }
            for group, artifact in self.artifacts.items()
        ]


def prepare(session: Session) -> Prepared:
    """Make what the plan needs and the cache lacks; does not start a container if nothing is missing.

    Raises ArtifactError if the dataset cannot be made; a single artifact that cannot be made only
    fails its own cells.
    """
    started = time.monotonic()
    for note in session.dataset.notes:
        CONSOLE.print(f"dataset: {note}", highlight=False, soft_wrap=True)
    spec = specification(session, str(session.workspace.cache))
    todo = missing(session)
    reasons = _left_out(session, todo) if todo else {}
    if todo := [one for one in todo if label(one) not in reasons]:
        CONSOLE.print(f"prepare: {len(todo)} artifacts to make")
        reasons |= _make(session, spec, todo)
    seconds = time.monotonic() - started if todo else 0.0
    return _collect(session, spec, reasons, seconds)


def build(session: Session, *, quiet: bool = False) -> None:
    """Make the images or environments that the plan needs; the one that prepares if anything is missing."""
    session.build(prepares=bool(missing(session)), quiet=quiet)


def missing(session: Session) -> list[Recipe]:
    """What the plan needs and the cache lacks."""
    return wanted.missing(specification(session, str(session.workspace.cache)))


def label(recipe: Recipe) -> str:
    """What prepare's events call a recipe."""
    return f"{recipe.format} {recipe.method} {recipe.model}"


def _left_out(session: Session, todo: list[Recipe]) -> dict[str, str]:
    """Say which models take too much memory to be made here, or all of it; why, by label, for the first."""
    models = [name for name in session.matrix.models if any(one.model == name for one in todo)]
    there = room.room(session.workbench.own)
    too_large = room.too_large(session.matrix, models, there)
    for name, why in too_large.items():
        told = f"[red]not made[/]  {session.matrix.models[name].title}: {why}"
        CONSOLE.print(f"{told}; {room.elsewhere(session, [name])}", highlight=False, soft_wrap=True)
    for name in models:
        need = session.matrix.models[name].converting_bytes
        if name not in too_large and 2 * need > there:
            told = f"{session.matrix.models[name].title}: its converters take up to {size(need)} of the "
            told += f"{size(there)} that are there, so one runs at a time"
            CONSOLE.print(f"{told}; or {room.elsewhere(session, [name])}", highlight=False, soft_wrap=True)
    return {label(one): too_large[one.model] for one in todo if one.model in too_large}


def available(session: Session) -> dict[Group, Artifact]:
    """The plan's artifacts that are there, by group; nothing is made."""
    cache = session.workspace.cache
    found = _found(cache, specification(session, str(cache)))
    frameworks = session.matrix.frameworks
    keys = {
        group: (frameworks[group.framework].format, group.model, group.method)
        for group in groups(session.plan)
    }
    return {group: found[key] for group, key in keys.items() if key in found}


def specification(session: Session, cache: str) -> dict[str, Any]:
    """What prepare is asked for this plan; `cache` is the cache as the reader of the spec sees it.

    Where the user's files are is only known to a launch (`_make`): a plan needs their hashes alone.
    A recipe is the same on every machine, so it carries amd64's lock wherever it is followed: what was made
    on amd64 serves a Pi. Which lock made an artifact is in its entry ("maker").
    """
    profile = session.profile_facts
    frameworks = session.matrix.frameworks
    asked = dict.fromkeys((frameworks[c.framework].format, c.method) for c in session.plan.cells)
    samples = profile.accuracy_samples and max(profile.accuracy_samples, profile.performance_samples)
    return {
        "schema": wanted.SCHEMA,
        "cache": cache,
        "models": list(dict.fromkeys(c.model for c in session.plan.cells)),
        **session.weights.spec(),
        "dataset": session.dataset.name,
        "data": session.dataset.data("", samples),
        "arches": [session.arch],
        "wanted": [{"format": name, "method": method} for name, method in asked],
        "lock": lock.read(session.workspace.lock("prepare", "amd64")).digest,
        "seed": session.matrix.defaults.seed,
    }


def _make(session: Session, spec: dict[str, Any], todo: list[Recipe]) -> dict[str, str]:
    """Run the prepare image; return the reasons of what failed, by recipe label."""
    cache, engine, here = session.workspace.cache, session.workbench.maker, session.workbench.own
    engine.remove_stale()  # what a killed run left would hold the cache
    for name in ("artifacts", "data", "specs"):
        files.folder(cache / name)
    sources, weights = gather(session.weights, todo, engine, here.arch, cache)
    mounts = (
        Mount(cache / "artifacts", "/cache/artifacts", writable=True),
        Mount(cache / "data", "/cache/data", writable=True),
        Mount(cache / "specs", "/cache/specs"),
        *weights,
    )
    data = spec["data"]
    if data and session.dataset.path:
        mounts = (*mounts, Mount(session.dataset.path, "/dataset"))
        data = {**data, "path": engine.path(session.dataset.path, mounts)}
    inside = Path(engine.path(cache / "artifacts", mounts)).parent
    path = cache / "specs" / "prepare.json"
    own = lock.read(session.workspace.lock(PREPARE, here.arch)).digest
    told = {"data": data, "cache": str(inside), "maker": {"arch": here.arch, "lock": own}}
    needs = {name: one.converting_bytes for name, one in session.matrix.models.items()}
    memory = {"room": room.room(here), "needs": needs}
    models = list(dict.fromkeys(one.model for one in todo if one.model != "any"))
    files.replace(path, json.dumps({**spec, **sources, **told, "models": models, "memory": memory}))
    request = Request(
        PREPARE,
        here.arch,
        ["prepare", engine.path(path, mounts)],
        mounts,
        cpus=here.cpus,
        timeout_s=TIMEOUT,
    )
    with _Watch(len(todo)) as watch:
        result = engine.launch(request, watch.on_line)
    if result.exit_code and not watch.reasons:
        raise ArtifactError(
            f"prepare failed: {result.reason}\n{result.stderr}".rstrip(),
            remedy="`invoke doctor` shows memory and disk; run the same command again to go on",
        )
    return watch.reasons


class _Watch:
    """Tells the user what prepare does, and keeps the reasons of what failed by recipe label."""

    def __init__(self, total: int) -> None:
        self.reasons: dict[str, str] = {}
        self._total = total
        self._done = 0
        self._bar = Progress(console=CONSOLE, transient=True)
        self._task: TaskID | None = None

    def __enter__(self) -> _Watch:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def on_line(self, line: str) -> None:
        """Take one event of the prepare process."""
        event = json.loads(line)
        if event["event"] == "progress":
            if self._task is None:
                self._task = self._bar.add_task(f"reading the {event['what']}", total=event["total"])
            self._bar.update(self._task, completed=event["done"])
            return
        what = f"{event['format']} {event['method']} {event['model']}"
        if event["event"] == "artifact":
            self._done += 1
            CONSOLE.print(f"  {self._done:>3}/{self._total}  {what}  {event['seconds']:.1f} s")
        else:
            self.reasons[what] = event["message"]
            CONSOLE.print(f"  [red]failed[/]  {what}: {event['message']}", highlight=False)


def _found(cache: Path, spec: dict[str, Any]) -> dict[tuple[str, str, str], Artifact]:
    """The spec's artifacts that are in the cache, by format, model and method of their recipe."""
    looked_up = ((recipe, store.lookup(cache, recipe)) for recipe in wanted.recipes(spec))
    return {(r.format, r.model, r.method): artifact for r, artifact in looked_up if artifact}


def _collect(session: Session, spec: dict[str, Any], reasons: dict[str, str], seconds: float) -> Prepared:
    found = _found(session.workspace.cache, spec)
    data = next((artifact for (kind, *_), artifact in found.items() if kind == "dataset"), None)
    if data is None:
        raise ArtifactError(f"the dataset could not be made: {'; '.join(reasons.values())}")
    frameworks = session.matrix.frameworks
    made, failed, references = {}, {}, {}
    for group in groups(session.plan):
        name = frameworks[group.framework].format
        artifact = found.get((name, group.model, group.method))
        start = wanted.starting_point(spec, name, group.model)
        reference = store.lookup(session.workspace.cache, start.reference)
        if artifact and reference:
            made[group], references[group] = artifact, reference
        else:
            needed = (
                "canonical FP32",
                "reference FP32",
                f"{name} {group.method}",
            )  # root cause first
            why = [reasons[f"{kind} {group.model}"] for kind in needed if f"{kind} {group.model}" in reasons]
            failed[group] = f"the artifact could not be made: {(why or ['prepare ended before it'])[0]}"
    return Prepared(made, failed, references, data, seconds)
