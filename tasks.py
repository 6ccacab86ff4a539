"""The door: `./invoke build run` builds the images, measures and writes the report.

Each task is a few lines; the work is in images/ (make and run), bench/ (measure) and reports/
(tell). Options given once hold for every task on the line.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Context, task

from images.desk.line import ROOT, kit_task

if TYPE_CHECKING:
    from images.choosing.session import Session


@kit_task()
def build(session: Session) -> None:
    """Make what the run needs: images (docker) or environments (native)."""
    from images.preparing.prepare import build as make

    make(session)


@kit_task(
    help={
        "fresh": "measure again what is already measured (old results are set aside)",
        "no_limit": "measure cells over the profile's time limit too",
        "swarm": "hand the cells to the engine's swarm: nodes labelled edgequant.platform=<platform>",
        "registry": "where the swarm's nodes pull images from; a swarm of one node needs none",
    }
)
def run(
    session: Session, fresh: bool = False, no_limit: bool = False, swarm: bool = False, registry: str = ""
) -> None:
    """Measure the cells that have no result yet, then write the report."""
    from images.desk.measure import measure

    if swarm:
        bench = replace(session.workbench, swarm=session.platform, registry=registry)
        session = replace(session, workbench=bench)
    measure(session, fresh=fresh, no_limit=no_limit)


@kit_task()
def report(session: Session) -> None:
    """Write out/<run>/report.html again from the results on disk."""
    from images.desk.measure import report as write

    write(session)


@task(
    positional=["a", "b"],
    auto_shortflags=False,
    help={
        "a": "the run to compare with: a folder of out/ or reports/published/, or a path",
        "b": "the run that is judged, named in the same way",
        "threshold": "a change up to this many per cent is no change",
        "html": "write out/compare-A-B.html (it and the JSON are written where nothing is chosen)",
        "json": "write out/compare-A-B.json",
        "markdown": "write out/compare-A-B.md",
        "strict": "fail on every cell that is not shown to be as fast and as accurate",
    },
)
def compare(
    _: Context,
    a: str,
    b: str,
    threshold: float = 5.0,
    html: bool = False,
    json: bool = False,
    markdown: bool = False,
    strict: bool = False,
) -> None:
    """Compare run B with run A: faster, slower or the same; exit code 10 for a regression."""
    from reports.compare.task import compare_runs

    chosen = [suffix for suffix, wanted in (("html", html), ("json", json), ("md", markdown)) if wanted]
    compare_runs(ROOT, (a, b), threshold, chosen, strict)


@kit_task()
def export(session: Session) -> None:
    """Write the run as CSV, Parquet and an RO-Crate archive for deposit, into out/<run>/export/."""
    from images.desk.export import show_export

    show_export(session)


@task
def verify(_: Context, archive: str) -> None:
    """Check every hash of an archive that `invoke export` wrote, and that no file is missing or extra."""
    from reports.deposit.verify import verify as check

    found = check(Path(archive))
    print(f"{found.name}: {found.files} files, {found.bytes} bytes, all as promised; SHA-256 {found.sha256}")


@kit_task(
    help={
        "submitter": "your organisation, a folder of the tree",
        "compliance": "first make the audit runs TEST01, TEST04 and TEST05 that have no verdict",
    }
)
def submission(session: Session, submitter: str = "", compliance: bool = False) -> None:
    """Write the run as MLPerf Inference v2.1's submission tree, into out/<run>/submission/."""
    from images.desk.submission import show_submission

    show_submission(session, submitter, compliance=compliance)


@kit_task(
    help={
        "list": "show the claims, their cells and predicted minutes, and run nothing",
        "only": "judge these claims alone, comma-separated",
        "no_run": "judge by the runs that are there",
        "no_limit": "measure cells over the profile's time limit too",
    }
)
def claims(
    session: Session, list_: bool = False, only: str = "", no_run: bool = False, no_limit: bool = False
) -> None:
    """Measure what the paper's claims still need, and judge each of them."""
    from images.desk.claims import judge, show

    if list_:
        show(session, only)
    else:
        judge(session, only, measure=not no_run, no_limit=no_limit)


@kit_task(name="list")
def list_(session: Session) -> None:
    """Show the matrix: which cells, which are impossible and why, predicted minutes."""
    from images.desk.listing import show_matrix

    show_matrix(session)


@kit_task(
    name="images",
    help={"weigh": "measure what a push would send, layer by layer", "json": "print it for programs"},
)
def images_(session: Session, weigh: bool = False, json: bool = False) -> None:
    """Show the engine's images: size, layers, digest, versions, what a push sends."""
    from images.desk.inventory import show

    show(session, weigh=weigh, as_json=json)


@kit_task(
    help={
        "export": "write the plan's artifacts to this file",
        "import": "add a file's artifacts",
        "images": "with --export: also your own images, as arrays",
    }
)
def models(session: Session, export: str = "", import_: str = "", images: bool = False) -> None:
    """Make the plan's artifacts, or carry them from machine to machine."""
    from images.desk.models import show_models

    show_models(session, export, import_, images=images)


@kit_task(
    help={
        "as": "name of the set, a folder of reports/published/",
        "artifacts": "write the artifacts that its cells read to this file, and pin it",
    }
)
def freeze(session: Session, as_: str = "", artifacts: str = "") -> None:
    """Make a published set of a run: its results as measured, everything they rest on pinned by hash."""
    from images.desk.freeze import show

    show(session, as_, artifacts)


@kit_task(
    positional=["folder"],
    help={
        "folder": "a published set: a folder of reports/published/, by name or path",
        "artifacts": "path or URL of the set's archive; default: beside the set, else they are made again",
        "fresh": "measure again what is already measured (old results are set aside)",
        "no_limit": "measure cells over the profile's time limit too",
    },
)
def reproduce(
    session: Session,
    folder: str | None = None,
    artifacts: str = "",
    fresh: bool = False,
    no_limit: bool = False,
) -> None:
    """Measure a published set again with its images and artifacts, and compare; exit code 14: disagrees."""
    from images.desk.reproduce import reproduce as again

    again(session, folder or "", artifacts, fresh=fresh, no_limit=no_limit)


@task(
    help={
        "registry": "host[:port][/namespace], as in 127.0.0.1:5000 or docker.io/user",
        "image": "only these images, comma-separated; default: all",
    }
)
def publish(_: Context, registry: str, image: str = "") -> None:
    """Push every image of every architecture to a registry and pin the digests in published.toml."""
    from images.publishing.push import publish_all

    publish_all(ROOT, registry, image)


@task(positional=[], iterable=["host"], help={"host": "another machine's engine to look at too"})
def doctor(_: Context, host: list[str]) -> None:
    """Say what this machine has and lacks, and whether `build run` will work; exit code 4, 5, 6: not yet."""
    from images.desk.doctor import show_doctor

    show_doctor(ROOT, host)


@task(
    positional=[],
    iterable=["host", "name"],
    help={
        "everything": "also the wheels, artifacts and images",
        "host": "with --everything: another machine's engine to clear of the kit too",
        "name": "only this run; may be given again",
        "yes": "without a question",
    },
)
def clean(c: Context, host: list[str], name: list[str], everything: bool = False, yes: bool = False) -> None:
    """Delete the runs in out/; asks first."""
    from images.desk.clean import clean as wipe

    wipe(ROOT, names=name, everything=everything, hosts=host, yes=yes, dry=bool(c.config.run.dry))


@task(
    help={"only": "a folder of tests/: unit, images or integration", "lint": "only ruff, mypy and the floors"}
)
def test(c: Context, only: str = "", lint: bool = False) -> None:
    """Run ruff, mypy --strict, import-linter and pytest."""
    from images.making.resolve import install_test_tools

    install_test_tools(ROOT)
    with c.cd(str(ROOT)):
        for check in ("ruff check .", "ruff format --check .", "mypy"):
            c.run(f"{sys.executable} -P -m {check}")
        c.run(f"{Path(sys.executable).with_name('lint-imports')} --no-logo --no-cache")
        if not lint:
            c.run(f"{sys.executable} -P -m pytest {f'tests/{only}' if only else ''}")


@task
def lock(_: Context) -> None:
    """Resolve every image's requirements again and write the hash-locked files (maintainers)."""
    from images.making.resolve import lock_all

    lock_all(ROOT)


@task
def generate(_: Context) -> None:
    """Write the generated files again: Dockerfiles, matrix.schema.json, docs/reference.md (maintainers)."""
    from images.desk.generate import write

    write(ROOT)
