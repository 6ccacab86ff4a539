"""The run: prepare what is missing, measure round by round, report.

Everything that was measured is on disk before the next launch starts. A cell that fails keeps its
reason in run.json and the others go on; a command repeated after a kill continues.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bench.errors import EngineError, FailedCellsError
from images import doctor, launches, predict, runfile, speeds
from images.engine import LaunchResult, Mount, identity
from images.launches import Group, Launch, Todo
from images.prepare import Prepared, prepare
from images.relay import relaying
from images.session import Session
from images.show import show_prediction
from images.speeds import Speeds

CONSOLE = Console()
SLACK = 10.0  # a launch is killed after this many times its predicted seconds, plus GRACE
GRACE = 600.0


def run(session: Session, *, fresh: bool, no_limit: bool) -> None:
    """Measure what has no result yet and write the report; FailedCellsError where a cell failed.

    Cells predicted to take longer than the profile's limit are left out unless `no_limit`.
    """
    _ = session.asking  # a wrong --weights or --dataset ends the run before anything is built
    if session.emulated:
        _check_emulation(session)
    session.build(quiet=True)
    session.engine.remove_stale()
    prepared = prepare(session)
    if fresh:
        launches.set_aside(session.run_dir, [cell.id for cell in session.plan.cells])
    work = _todo(session, prepared)
    if work.stale:
        CONSOLE.print(
            f"{len(work.stale)} results are of another kit, artifact or engine: measured again "
            "(the old ones are in superseded/)"
        )
        launches.set_aside(session.run_dir, work.stale)
        work = _todo(session, prepared)
    _Run(session, prepared, work).go(no_limit=no_limit)


def _check_emulation(session: Session) -> None:
    fact = doctor.emulation()
    if session.engine.kind != "docker" or fact.status != "ok":
        raise EngineError(
            f"{session.platform} is {session.arch} and cannot be emulated here: "
            f"engine {session.engine.kind}, {fact.value}",
            where="--platform",
            remedy=fact.remedy or "use --engine docker",
        )


def _todo(session: Session, prepared: Prepared) -> Todo:
    """What is left to measure; a change of data, lock, engine or threads makes a result stale."""
    common = {"data": prepared.data.sha256, "engine": session.engine.kind, "threads": session.threads}
    used = {framework: {"lock": digest, **common} for framework, digest in session.locks.items()}
    return launches.todo(session.asking, prepared.artifacts, used, session.run_dir / "cells")


class _Run:
    """One pass over the launches; owns run.json while it lasts."""

    def __init__(self, session: Session, prepared: Prepared, work: Todo) -> None:
        self.session, self.prepared, self.work = session, prepared, work
        new = runfile.start(
            session, session.engine.describe(), {"seconds": prepared.seconds, "artifacts": prepared.rows()}
        )
        old = runfile.read(session.run_dir)
        self.file = runfile.merge(old, new) if old else new
        self.failed: dict[str, str] = {}
        self.spent = float(self.file["seconds"])

    def go(self, *, no_limit: bool) -> None:
        """Measure every launch, write the report, and raise FailedCellsError if anything failed."""
        session = self.session
        for name in ("cells", "loadgen"):
            (session.run_dir / name).mkdir(parents=True, exist_ok=True)
        for group, reason in self.prepared.failed.items():
            for cell in group.cells:
                self._fail(cell.id, 0, reason)
        for cell_id, reason in self.work.damaged.items():
            self._fail(cell_id, 0, reason)
        try:
            seconds = self._predicted(no_limit) if self.work.launches else []
            if seconds:
                self._measure(seconds)
            else:
                other = "other " if self.failed or self.file["excluded"] else ""
                CONSOLE.print(f"measure: every {other}cell is measured; --fresh measures again")
            left_out = {row["id"] for row in self.file["excluded"]}
            self.file["complete"] = not self.file["failures"] and all(
                row["id"] in left_out or (session.run_dir / "cells" / f"{row['id']}.json").exists()
                for row in self.file["planned"]
            )
            runfile.write(session.run_dir, self.file)
        finally:
            session.report()
        self._summary()

    def _predicted(self, no_limit: bool) -> list[float]:
        """Calibrate, leave out what would take too long, say how long the rest will; seconds by launch."""
        session, planned = self.session, self.work.launches
        limit = 0.0 if no_limit else session.profile_facts.cell_limit

        def too_slow(found: Speeds) -> set[Group]:
            _, dropped = predict.within(planned, found, limit)
            ids = {row["id"] for row in dropped}
            return {launch.group for launch in planned if any(cell["id"] in ids for cell in launch.cells)}

        artifacts = {launch.group: self.prepared.artifacts[launch.group] for launch in planned}
        if session.profile_facts.performance:
            found = speeds.calibrate(session, artifacts, self.prepared.data, too_slow)
        else:  # seconds a cell: not worth a calibration
            found = speeds.known(session, artifacts)
        self.work.launches, excluded = predict.within(planned, found, limit)
        self.file["excluded"] += excluded  # beside those of other filters, which runfile.merge carried over
        seconds = predict.seconds(self.work.launches, found)
        self.file["predicted_seconds"] = sum(seconds)
        runfile.write(session.run_dir, self.file)
        show_prediction(self.work, seconds, excluded, found)
        CONSOLE.print(f"engine {session.engine.kind} ({self.file['engine']['why']})")
        return seconds

    def _measure(self, seconds: list[float]) -> None:
        started = time.monotonic()
        if self.file["harness"] is None:
            self._harness()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        total = len(self.work.launches)
        with Progress(*columns, console=CONSOLE) as bar:
            task = bar.add_task("", total=total)
            for number, (launch, predicted) in enumerate(zip(self.work.launches, seconds), 1):
                group, begun = launch.group, time.monotonic()
                words = f"{group.label} round {launch.round}"
                bar.update(task, description=words)
                self._launch(launch, predicted)
                self.file["seconds"] = self.spent + time.monotonic() - started
                runfile.write(self.session.run_dir, self.file)
                bar.advance(task)
                if not CONSOLE.is_terminal:  # a log has no live bar
                    print(f"  {number:>3}/{total}  {words}  {time.monotonic() - begun:.1f} s", flush=True)

    def _launch(self, launch: Launch, predicted: float) -> None:
        """Run one launch; whatever happens to it, the run goes on with the next."""
        cells = [spec for spec in launch.cells if spec["id"] not in self.failed]
        if not cells:
            return
        heard: set[str] = set()

        def on_line(line: str) -> None:
            event = json.loads(line)
            heard.add(event["id"])
            if event["status"] != "ok":
                self._fail(event["id"], launch.round, event["reason"])

        try:
            result = self._measure_in_engine(launch, cells, SLACK * predicted + GRACE, on_line)
            reason = (
                result.reason or f"the bench ended with code {result.exit_code} and no word about this cell"
            )
            tail = f"\n{result.stderr}" if result.stderr else ""
        except EngineError as error:
            reason, tail = str(error), ""
        for spec in cells:
            if spec["id"] not in heard:
                self._fail(spec["id"], launch.round, f"{reason}{tail}")

    def _measure_in_engine(
        self, launch: Launch, cells: list[dict[str, Any]], timeout: float, on_line: Any
    ) -> LaunchResult:
        session, group, engine = self.session, launch.group, self.session.engine
        cache = session.workspace.cache
        mounts = (
            Mount(cache / "artifacts", "/cache/artifacts"),
            Mount(cache / "data", "/cache/data"),
            Mount(cache / "specs", "/cache/specs"),
            Mount(session.run_dir, "/results", writable=True),
        )
        image = session.matrix.frameworks[group.framework].image
        path, relay = cache / "specs/measure.json", cache / "specs/relay.json"
        spec = {
            "schema": 1,
            "round": launch.round,
            "rounds": session.profile_facts.rounds,
            "profile": session.profile,
            "performance": self.file["performance"],
            "results": engine.path(session.run_dir, mounts),
            "artifact": engine.path(self.prepared.artifacts[group].directory, mounts),
            "artifact_sha256": self.prepared.artifacts[group].sha256,
            "data": engine.path(self.prepared.data.directory, mounts),
            "reference": engine.path(self.prepared.references[group].directory, mounts),
            "relay": engine.path(relay, mounts),
            "isa_environment": session.isa_environment(group.framework, group.isa),
            "dataset": session.dataset.label,
            "threads": session.threads,
            "emulated": session.emulated,
            "seed": session.matrix.defaults.seed,
            "engine": identity(engine, image, session.arch),
            "lock": session.locks[group.framework],
            "package": session.matrix.frameworks[group.framework].package,
            "method": {"name": group.method, **asdict(session.matrix.methods[group.method])},
            "cells": cells,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(spec))
        with relaying(relay):
            return engine.launch(
                session.request(image, ["measure", engine.path(path, mounts)], mounts, timeout), on_line
            )

    def _harness(self) -> None:
        """Measure what LoadGen and the binding cost with a model that does nothing."""
        if not self.file["performance"]:
            return
        image = self.session.matrix.frameworks[self.work.launches[0].group.framework].image
        heard: list[dict[str, Any]] = []
        result = self.session.engine.launch(
            self.session.request(image, ["harness"], (), GRACE), lambda line: heard.append(json.loads(line))
        )
        if result.exit_code == 0 and heard:
            self.file["harness"] = {**heard[-1], "image": image}

    def _fail(self, cell_id: str, number: int, reason: str) -> None:
        self.failed[cell_id] = reason
        self.file["failures"].append({"id": cell_id, "round": number, "reason": reason})
        CONSOLE.print(f"[red]failed[/] {cell_id}: {reason}", highlight=False)

    def _summary(self) -> None:
        planned = {cell.id for cell in self.session.plan.cells}
        left_out = planned & {row["id"] for row in self.file["excluded"]}
        words = f", {len(left_out)} left out (--no-limit measures them)" if left_out else ""
        CONSOLE.print(
            f"{len(planned - left_out - self.failed.keys())} of {len(planned)} cells measured{words}. "
            f"Report: {self.session.run_dir / 'report.html'}",
            soft_wrap=True,
        )
        if self.failed:
            lines = "\n".join(f"  {name}: {reason.splitlines()[0]}" for name, reason in self.failed.items())
            raise FailedCellsError(
                f"{len(self.failed)} cells failed:\n{lines}",
                remedy="the same command tries them again; the others are kept",
            )
