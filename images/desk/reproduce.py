"""Measure a published set again on this machine: its images, its artifacts, its cells.

An image comes from the registry by the digest of its own architecture; where no registry answers it is
built from the lock, which is then compared. Artifacts come from the set's archive; where there is none
they are made again, and compared. What is not the published thing is said, never passed over.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.common.errors import ArtifactError, FailedCellsError, UsageError
from bench.common.hashing import sha256_file
from bench.plan.cells import Cell
from bench.runtimes.isa import NATIVE
from bench.store import results
from images.choosing.session import Session
from images.desk.measure import measure
from images.engines.docker.engine import DockerEngine
from images.engines.engine import Engine
from images.kit import kit
from images.making import lock
from images.making.bench_files import PREPARE
from images.preparing import transfer
from images.preparing.fetch import fetch
from images.preparing.prepare import build, prepare
from images.publishing import exactly, pull, sets
from images.publishing.exactly import Exact
from images.publishing.sets import PinnedImage, PublishedSet
from images.say import say

Results = Mapping[str, Mapping[str, Any]]  # by cell id


@dataclass(frozen=True)
class Again(Exact):
    """A session that measures with a set's images.

    `found` is filled in by build(): by engine's host and image, "" where it is the published image, else
    what it is.
    """

    published: Mapping[str, PinnedImage] = field(default_factory=dict)
    found: dict[tuple[str, str], str] = field(default_factory=dict)

    def build(self, *, prepares: bool, quiet: bool = False) -> None:
        """Have the images that the cells need: pulled by digest, or built from the locks."""
        if prepares:
            self._have(self.workbench.maker, PREPARE, self.workbench.own.arch)
        for framework in dict.fromkeys(cell.framework for cell in self.plan.cells):
            for engine in self.workbench.engines:
                self._have(engine, self.matrix.frameworks[framework].image, self.arch)

    @property
    def locks(self) -> dict[str, str]:
        """SHA-256 of the lock of each framework's image: the set's where its own image measures."""
        own = super().locks
        images = {name: self.matrix.frameworks[name].image for name in own}
        here = {name: self.others.get(image) == "" for name, image in images.items()}
        return {name: self.published[images[name]].lock if here[name] else own[name] for name in own}

    @property
    def others(self) -> dict[str, str]:
        """What each image is, "" where it is the published one on every engine."""
        return {name: told for (_, name), told in sorted(self.found.items(), key=lambda row: row[1])}

    def _have(self, engine: Engine, name: str, arch: str) -> None:
        """Have one image, and note whether it is the published one."""
        key = engine.host, name
        if key in self.found:
            return
        pin = self.published.get(name)
        if (
            pin
            and pin.arch == arch
            and isinstance(engine, DockerEngine)
            and pull.take(engine, name, pin, say)
        ):
            self.found[key] = ""
            return
        [ready] = engine.build(arch, [name], say)
        words = f"{name}: {'built' if engine.kind == 'docker' else 'installed'} from its lock"
        if pin and pin.image and pin.image == ready.digest:
            self.found[key] = ""
            say(f"{words}: bit for bit the published image")
            return
        same = bool(pin and pin.lock == lock.read(self.workspace.lock(name, arch)).digest)
        self.found[key] = "the published packages" if same else "not the published packages"
        say(f"{words}: {'the published packages, by SHA-256' if same else 'NOT the published packages'}")


def reproduce(session: Session, words: str, archive: str, *, fresh: bool, no_limit: bool) -> None:
    """Measure the set that `words` names again, compare, and write both down.

    Raises DisagreesError where a comparable cell does not agree or none is comparable, RegistryError for
    an image that is not what is pinned, ResultError for a set that was changed.
    """
    folder = _locate(session, words)
    found = sets.read(folder)
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    measured = {
        cell.id: results.load(folder / "cells" / f"{cell.id}.json")
        for cell in exactly.planned(run)
        if cell.id in found.cells and session.filters.admit(cell)
    }
    if not measured:
        raise UsageError("these filters leave no cell of the set", where=str(folder))
    if session.filters.sweep:
        raise UsageError("a set says itself which cells it has", where="--sweep")
    name = session.given["name"] or f"reproduce-{found.name}"
    bench = session.workbench
    if bench.kind == "auto":
        bench = dataclasses.replace(bench, kind=found.engine)
    named = dataclasses.replace(session, given={**session.given, "name": name}, workbench=bench)
    whole = exactly.of_run(named, run, measured, Again, published=found.images)
    _say_kit(whole, found)
    sessions, left_out = _sessions(whole, measured)
    if sessions:
        _bring(whole, found, folder, archive)
        build(whole)
        prepare(whole)
        _say_artifacts(whole, found)
    for one in sessions:
        try:
            measure(one, fresh=fresh, no_limit=no_limit)
        except FailedCellsError as error:  # the comparison tells them, with the others
            say(f"failed: {error.message}")
    from reports.reproduce.task import report

    report(folder, whole.run_dir, session.matrix, set(measured), left_out, whole.others)


def _locate(session: Session, words: str) -> Path:
    """Return the folder of a set: a path, or a name in reports/published/."""
    shelf = session.workspace.root / "reports" / "published"
    for path in (Path(words).expanduser(), shelf / words):
        if words and (path / "set.toml").is_file():
            return path.resolve()
    known = ", ".join(sorted(path.parent.name for path in shelf.glob("*/set.toml"))) or "none"
    raise UsageError(f"{words!r} is no published set. Known: {known}", where="reproduce")


def _say_kit(session: Session, found: PublishedSet) -> None:
    """Say where this checkout is not the one that measured."""
    here = kit(session.workspace.root)
    if found.kit.dirty:
        say(f"the set was measured from files that no commit has ({found.kit.revision} and changes)")
    if here["revision"] != found.kit.revision:
        say(f"the set was measured by commit {found.kit.revision}, this is {here['revision']}")
    if here["matrix_sha256"] != found.kit.matrix:
        say("matrix.toml is not the one of the set")


def _sessions(whole: Again, measured: Results) -> tuple[list[Again], dict[str, str]]:
    """Return the sessions that ask for each cell what was asked, and why other cells cannot be asked here.

    What is asked depends on the sweep (some measure no accuracy), and a run may hold several.
    """
    arches = {image.arch for name, image in whole.published.items() if name != PREPARE}
    flags = set() if whole.emulated else set(whole.workbench.machine.flags)
    sweeps = [
        dataclasses.replace(whole, filters=dataclasses.replace(whole.filters, sweep=sweep))
        for sweep in ("", *whole.matrix.sweeps)
    ]
    chosen: dict[str, list[Cell]] = {}
    left_out: dict[str, str] = {}
    for cell in whole.plan.cells:
        lacking = set() if cell.isa == NATIVE else set(whole.matrix.isas[cell.isa].flags) - flags
        asked = measured[cell.id]["asked"]
        fit = [one.filters.sweep for one in sweeps if one.asking.of(cell.scenario).document() == asked]
        if arches != {whole.arch}:
            left_out[cell.id] = f"published on {', '.join(sorted(arches))}, this machine is {whole.arch}"
        elif lacking:
            left_out[cell.id] = f"this CPU has no {', '.join(sorted(lacking))}"
        elif not fit:
            left_out[cell.id] = "this kit asks something else of LoadGen than was asked then"
        else:
            chosen.setdefault(fit[0], []).append(cell)
    by_sweep = {one.filters.sweep: one for one in sweeps}
    return [
        dataclasses.replace(by_sweep[sweep], cells=tuple(cells)) for sweep, cells in chosen.items()
    ], left_out


def _bring(session: Session, found: PublishedSet, folder: Path, given: str) -> None:
    """Import the set's artifacts from its archive, where there is one and something is missing."""
    missing = _other(session, found)
    if not missing:
        say(f"artifacts: all {len(found.artifacts)} are here, with the published SHA-256")
        return
    if not found.archives:
        if given:
            raise UsageError("the set pins no archive of artifacts", where="--artifacts")
        say(f"artifacts: {len(missing)} are not here and the set has no archive: made again and compared")
        return
    [(name, pin)] = found.archives.items()
    path = Path(given).expanduser() if given else folder / name
    if given.startswith(("http://", "https://")):
        kept = session.workspace.cache / "archives" / f"{pin.sha256[:12]}-{name}"
        path = fetch(given, kept, pin.sha256)
    elif not given and not path.exists():
        say(f"artifacts: {name} is not beside the set (--artifacts PATH or URL): made again and compared")
        return
    if not path.is_file() or sha256_file(path) != pin.sha256:
        raise ArtifactError(
            f"this is not the set's archive (SHA-256 {pin.sha256})" if path.is_file() else "no such file",
            where=str(path),
            remedy="get the right one, or leave it out: the artifacts are then made again and compared",
        )
    say(f"{path.name}: {transfer.load(session.workspace, path)}")


def _other(session: Session, found: PublishedSet) -> dict[str, str]:
    """Return the pinned artifacts that the cache has not, by label: "missing" or the hash it has."""
    here = {row.what: row.sha256 for row in exactly.pinned(session)}
    needed = {cell.model for cell in session.plan.cells} | {"any"}
    frameworks = {cell.framework for cell in session.plan.cells}
    kinds = {session.matrix.frameworks[name].format for name in frameworks}
    kinds |= {"dataset", "canonical", "reference"}
    rows = [row for row in found.artifacts if row.model in needed and row.format in kinds]
    methods = {cell.method for cell in session.plan.cells} | {"FP32"}
    return {
        row.label: here.get(row.what, "missing")
        for row in rows
        if row.method in methods and here.get(row.what) != row.sha256
    }


def _say_artifacts(session: Session, found: PublishedSet) -> None:
    """Say which artifacts are not the published ones."""
    pins = {row.label: row.sha256 for row in found.artifacts}
    for label, have in _other(session, found).items():
        say(f"artifact {label}: {have[:12]} here, {pins[label][:12]} published: its cells cannot be compared")
