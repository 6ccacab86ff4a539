"""Make a published set (images/publishing/sets.py) of a run: `invoke freeze`."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.common import files
from bench.common.errors import UsageError
from bench.common.hashing import sha256_file
from bench.store import artifacts as store
from bench.store import results
from images.choosing.session import Session
from images.making import lock
from images.making.bench_files import PREPARE
from images.preparing import transfer
from images.preparing.prepare import available
from images.publishing import exactly, pinfile, record, sets
from images.publishing.exactly import Exact
from images.publishing.sets import COMMENT, SCHEMA, Archive, Device, Kit, PinnedImage, PublishedSet
from images.running import runfile
from images.workspace import size
from reports.report.assemble import render

WHY = "published.toml has not the image that measured: publish, then `invoke run --fresh`, then freeze again"


def freeze(session: Session, name: str, archive: str) -> Path:
    """Make the set `name` of the session's run, its artifacts written to `archive` ("": not written)."""
    if not name or name != Path(name).name or name.startswith("."):
        raise UsageError(f"{name!r} is not a folder name", where="--as")
    run = runfile.read(session.existing_run)
    assert run is not None
    measured = {path.stem: results.load(path) for path in sorted((session.run_dir / "cells").glob("*.json"))}
    measured = {
        name: measured[name] for name in (cell.id for cell in exactly.planned(run)) if name in measured
    }
    if not measured:
        raise UsageError(f"the run '{session.run_name}' has no results to publish")
    exact = exactly.of_run(session, run, measured, Exact)
    target = session.workspace.root / "reports" / "published" / name
    partial = target.with_name(f".{name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _fill(partial, exact, name, run, measured, archive)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    sets.read(target)
    return target


def _fill(
    folder: Path, exact: Exact, name: str, run: dict[str, Any], measured: Mapping[str, Any], archive: str
) -> None:
    """Write the set's files; verdicts on the paper's claims come along where the run has them."""
    (folder / "cells").mkdir(parents=True)
    for cell_id in measured:
        shutil.copyfile(exact.run_dir / "cells" / f"{cell_id}.json", folder / "cells" / f"{cell_id}.json")
    shutil.copyfile(exact.run_dir / "run.json", folder / "run.json")
    if (exact.run_dir / "claims.json").exists():
        shutil.copyfile(exact.run_dir / "claims.json", folder / "claims.json")
    found = _describe(exact, name, run, measured, folder)
    if archive:
        found = dataclasses.replace(found, archives=_archive(exact, Path(archive)))
    files.replace(folder / "set.toml", record.dumps(asdict(found), COMMENT))
    render(folder, exact.matrix)


def _describe(
    session: Exact, name: str, run: Mapping[str, Any], measured: Mapping[str, Mapping[str, Any]], folder: Path
) -> PublishedSet:
    host, kit = run["host"], run["kit"]
    return PublishedSet(
        schema=SCHEMA,
        name=name,
        created=run["created"],
        platform=run["platform"],
        profile=run["profile"],
        dataset=run["dataset"]["label"],
        engine=run["engine"]["kind"],
        run=sha256_file(folder / "run.json"),
        kit=Kit(kit["version"], kit["revision"], kit["dirty"], kit["matrix_sha256"]),
        device=Device(
            host["cpu_model"],
            host["cores"],
            max(result["environment"]["threads"] for result in measured.values()),
            host["memory_bytes"],
            host["os"],
            host["kernel"],
        ),
        images=_images(session, measured),
        artifacts=exactly.pinned(session),
        cells={cell_id: sha256_file(folder / "cells" / f"{cell_id}.json") for cell_id in measured},
    )


def _images(session: Exact, measured: Mapping[str, Mapping[str, Any]]) -> dict[str, PinnedImage]:
    """The images that measured, pinned where published.toml has the very same ones, and prepare's lock."""
    pins = pinfile.read(session.workspace.root)
    found: dict[str, PinnedImage] = {}
    for result in measured.values():
        image = session.matrix.frameworks[result["cell"]["framework"]].image
        facts = result["environment"]
        ours = facts["engine"]["kind"] == "docker"
        one = PinnedImage(session.arch, facts["lock"], facts["engine"]["digest"] if ours else "")
        if found.setdefault(image, one) != one:
            raise UsageError(
                f"its cells were measured with more than one {image} image",
                where=session.run_name,
                remedy="measure the run again with --fresh, in one go",
            )
    found[PREPARE] = maker(session)
    for name, one in found.items():
        entry = pins.images.get(name) if pins else None
        child = entry.arches.get(one.arch) if entry else None
        if entry and child and child.lock == one.lock and (child.image == one.image or name == PREPARE):
            found[name] = PinnedImage(
                one.arch, one.lock, child.image, entry.repository, child.digest, dict(child.versions)
            )
    return found


def maker(session: Session) -> PinnedImage:
    """Prepare's lock, of the architecture that made the artifacts; of amd64, where more than one did."""
    arches = {store.made_on(one) for one in available(session).values()}
    arch = arches.pop() if len(arches) == 1 else "amd64"
    return PinnedImage(arch, lock.read(session.workspace.lock(PREPARE, arch)).digest)


def _archive(session: Session, path: Path) -> dict[str, Archive]:
    transfer.export(session, path)
    return {path.name: Archive(sha256_file(path), path.stat().st_size)}


def show(session: Session, name: str, archive: str) -> None:
    """Make a set, and say what is in it and what it does not pin."""
    folder = freeze(session, name, archive)
    found = sets.read(folder)
    what = f"{len(found.cells)} cells, {len(found.artifacts)} artifacts"
    print(f"{folder.relative_to(session.workspace.root)}: {what}")
    for image, one in sorted(found.images.items()):
        pin = f"{one.repository}@{one.digest}" if one.digest else f"pinned by its lock only ({WHY})"
        print(f"  {image} {one.arch}: {pin}")
    for file, facts in found.archives.items():
        print(f"  artifacts: {file}, {size(facts.bytes)}, SHA-256 {facts.sha256}")
    if found.kit.dirty:
        print("  measured from files that no commit has: nobody else can measure the same")
    print(f"check it anywhere: invoke reproduce reports/published/{name}")
