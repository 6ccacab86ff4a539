"""Make the artifacts of a plan in the prepare image, or find that they are there."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import artifacts as store
from bench import recipes
from bench.artifacts import Artifact
from bench.errors import ArtifactError
from images import lock
from images.engine import Launch, Mount
from images.launches import Group, groups
from images.session import Session, host_arch

TIMEOUT = 3600.0
CONSOLE = Console()


@dataclass(frozen=True)
class Prepared:
    """The artifacts of a run: by group, the FP32 reference logits by model, the dataset.

    `failed` holds the groups whose artifact could not be made, with the reason.
    """

    artifacts: dict[Group, Artifact]
    failed: dict[Group, str]
    references: dict[str, Artifact]
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
                "sha256": artifact.sha256,
                "bytes": artifact.bytes,
                "versions": artifact.entry.get("versions", {}),
                "notes": artifact.entry.get("notes", []),
            }
            for group, artifact in self.artifacts.items()
        ]


def prepare(session: Session) -> Prepared:
    """Make what the plan needs and the cache lacks; does not start a container if nothing is missing.

    Raises ArtifactError if the dataset or a reference cannot be made; a single artifact that
    cannot be made only fails its own cells.
    """
    started = time.monotonic()
    spec = specification(session, str(session.workspace.cache))
    missing = store.plan(spec)
    reasons: dict[str, str] = {}
    if missing:
        if host_arch() not in session.matrix.images["prepare"].arches:
            raise ArtifactError(
                f"{len(missing)} artifacts are missing and {host_arch()} cannot make them",
                remedy="on an amd64 machine with the same commit: "
                f"invoke models --platform {session.platform} --export models.tar.gz; "
                "then here: invoke models --import models.tar.gz",
            )
        CONSOLE.print(f"prepare: {len(missing)} artifacts to make")
        reasons = _make(session, spec, len(missing))
    seconds = time.monotonic() - started if missing else 0.0
    return _collect(session, spec, reasons, seconds)


def specification(session: Session, cache: str) -> dict[str, Any]:
    """What prepare is asked for this plan; `cache` is the cache as the reader of the spec sees it."""
    profile = session.profile_facts
    wanted = dict.fromkeys((cell.framework, cell.method) for cell in session.plan.cells)
    return {
        "schema": recipes.SCHEMA,
        "cache": cache,
        "models": list(dict.fromkeys(c.model for c in session.plan.cells)),
        "weights": profile.weights,
        "dataset": profile.dataset,
        "arches": [session.arch],
        "wanted": [{"framework": framework, "method": method} for framework, method in wanted],
        "lock": lock.read(session.workspace.lock("prepare", "amd64")).digest,
        "seed": session.matrix.defaults.seed,
    }


def _make(session: Session, spec: dict[str, Any], total: int) -> dict[str, str]:
    """Run the prepare image; return the reasons of what failed, by recipe label."""
    reasons: dict[str, str] = {}
    done = 0

    def on_line(line: str) -> None:
        nonlocal done
        event = json.loads(line)
        if event["event"] == "artifact":
            done += 1
            CONSOLE.print(
                f"  {done:>3}/{total}  {event['framework']} {event['method']} {event['model']}"
                f"  {event['seconds']:.1f} s"
            )
        else:
            label = f"{event['framework']} {event['method']} {event['model']}"
            reasons[label] = event["message"]
            CONSOLE.print(f"  [red]failed[/]  {label}: {event['message']}", highlight=False)

    cache = session.workspace.cache
    for name in ("artifacts", "data", "specs"):
        (cache / name).mkdir(parents=True, exist_ok=True)
    mounts = (
        Mount(cache / "artifacts", "/cache/artifacts", writable=True),
        Mount(cache / "data", "/cache/data", writable=True),
        Mount(cache / "specs", "/cache/specs"),
    )
    engine = session.engine
    inside = Path(engine.path(cache / "artifacts", mounts)).parent
    path = cache / "specs" / "prepare.json"
    path.write_text(json.dumps({**spec, "cache": str(inside)}))
    argv = ["prepare", engine.path(path, mounts)]
    result = engine.launch(
        Launch("prepare", host_arch(), argv, mounts, cpus=session.cpus, timeout_s=TIMEOUT), on_line
    )
    if result.exit_code and not reasons:
        raise ArtifactError(
            f"prepare failed: {result.reason}\n{result.stderr}".rstrip(),
            remedy="`invoke doctor` shows memory and disk; run the same command again to go on",
        )
    return reasons


def _collect(session: Session, spec: dict[str, Any], reasons: dict[str, str], seconds: float) -> Prepared:
    cache = session.workspace.cache
    found, references = {}, {}
    data = None
    for recipe in recipes.recipes(spec):
        artifact = store.lookup(cache, recipe)
        if recipe.framework == "dataset":
            data = artifact
        elif recipe.framework == "reference" and artifact:
            references[recipe.model] = artifact
        if artifact:
            found[recipe.framework, recipe.model, recipe.method] = artifact
    if data is None or len(references) < len(spec["models"]):
        raise ArtifactError(
            f"the dataset or the FP32 reference could not be made: {'; '.join(reasons.values())}"
        )
    made, failed = {}, {}
    for group in groups(session.plan):
        artifact = found.get((group.framework, group.model, group.method))
        if artifact:
            made[group] = artifact
        else:
            label = f"{group.framework} {group.method} {group.model}"
            failed[group] = f"the artifact could not be made: {reasons.get(label, 'prepare ended before it')}"
    return Prepared(made, failed, references, data, seconds)
