"""One pass over the launches of a run."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bench.common import files
from bench.common.errors import EngineError, FailedCellsError, ResultError
from bench.store import results
from images.choosing.groups import Group
from images.choosing.session import Session
from images.engines.endings import explain
from images.engines.engine import Engine
from images.preparing.prepare import Prepared
from images.running import fleet, predict, runfile, specs, speeds
from images.running.fleet import EngineLostError, Family, Fleet, Task
from images.running.forecast import show_prediction
from images.running.launches import Launch, Todo, Wanted
from images.running.receive import Receiver
from images.running.specs import GRACE, SLACK
from images.running.speeds import Speeds
from images.say import CONSOLE


class _Bar:
    """The live bar, or in a log one line a launch."""

    def __init__(self, bar: Progress, total: int) -> None:
        self._bar, self._total, self._done = bar, total, 0
        self._task = bar.add_task("", total=total)

    def begin(self, words: str) -> None:
        """Say what starts."""
        self._bar.update(self._task, description=words)

    def end(self, words: str, seconds: float, launches: int) -> None:
        """Say what is done."""
        self._done += launches
        self._bar.advance(self._task, launches)
        if not CONSOLE.is_terminal:  # a log has no live bar
            print(f"  {self._done:>3}/{self._total}  {words}  {seconds:.1f} s", flush=True)


class Pass:
    """One pass over the launches; owns run.json while it lasts."""

    def __init__(self, session: Session, prepared: Prepared, work: Todo) -> None:
        self.session, self.prepared, self.work = session, prepared, work
        engine = session.workbench.engine.describe()
        new = runfile.start(session, engine, {"seconds": prepared.seconds, "artifacts": prepared.rows()})
        old = runfile.read(session.run_dir)
        self.file = runfile.merge(old, new) if old else new
        self.failed: dict[str, str] = {}
        self.lost = ""
        self.lock = threading.RLock()
        self.started = time.monotonic()
        self.spent = float(self.file["seconds"])

    def go(self, *, no_limit: bool) -> None:
        """Measure every launch; `end` says how it went."""
        session = self.session
        for name in ("cells", "loadgen"):
            files.folder(session.run_dir / name)
        for group, reason in self.prepared.failed.items():
            for cell in group.cells:
                self._fail(cell.id, 0, reason)
        for cell_id, reason in self.work.damaged.items():
            self._fail(cell_id, 0, reason)
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

    def _predicted(self, no_limit: bool) -> list[float]:
        """Time each artifact, leave out what takes too long, say how long the rest will; seconds a launch."""
        session, planned = self.session, self.work.launches
        limit = 0.0 if no_limit else session.profile_facts.cell_limit

        def too_slow(found: Speeds) -> set[Group]:
            _, dropped = predict.within(planned, found, limit, emulated=session.emulated)
            ids = {row["id"] for row in dropped}
            return {launch.group for launch in planned if any(one.id in ids for one in launch.cells)}

        artifacts = {launch.group: self.prepared.artifacts[launch.group] for launch in planned}
        if session.profile_facts.performance:
            found = speeds.timed(session, artifacts, self.prepared.data, too_slow)
        else:  # seconds a cell: not worth the timing
            found = speeds.known(session, artifacts)
        self.work.launches, excluded = predict.within(planned, found, limit, emulated=session.emulated)
        self.file["excluded"] += excluded  # beside those of other filters, which runfile.merge carried over
        seconds = predict.seconds(self.work.launches, found, apart=session.performance)
        self.file["predicted_seconds"] = sum(seconds)
        runfile.write(session.run_dir, self.file)
        show_prediction(self.work, seconds, excluded, found)
        CONSOLE.print(f"engine {session.workbench.engine.kind} ({self.file['engine']['why']})")
        return seconds

    def _measure(self, seconds: list[float]) -> None:
        """Hand the launches to the engines, and wait; what no engine was left for fails."""
        if self.file["harness"] is None:
            self._harness()
        engines = self.session.workbench.engines
        tasks = [Task(launch, predicted) for launch, predicted in zip(self.work.launches, seconds)]
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=CONSOLE) as bar:
            progress = _Bar(bar, len(tasks))
            shared = Fleet(engines, lambda engine, family: self._work(engine, family, progress), self._lost)
            left = shared.go(fleet.families(tasks, engines))
        for task in (task for family in left for task in family):
            for one in task.launch.cells:
                if one.id not in self.failed and not self._measured(one, task.launch.round):
                    self._fail(one.id, task.launch.round, self.lost)

    def _work(self, engine: Engine, family: Family, progress: _Bar) -> None:
        """Measure a family on one engine, launch by launch or as one job of a swarm.

        Raises EngineLostError where the engine is gone.
        """
        parts = [family] if engine.takes_series else [[task] for task in family]
        for number, part in enumerate(parts):
            begun, first = time.monotonic(), part[0].launch
            words = f"{first.group.label} {f'round {first.round}' if first.round else 'accuracy'}"
            words += f" and {len(part) - 1} more" if len(part) > 1 else ""
            words += f" on {engine.machine().name}" if len(self.session.workbench.engines) > 1 else ""
            progress.begin(words)
            try:
                self._launch(engine, part)
            except EngineError as error:
                rest = [task for part in parts[number:] for task in part]
                raise EngineLostError(str(error), rest) from error
            with self.lock:
                self.file["seconds"] = self.spent + time.monotonic() - self.started
                runfile.write(self.session.run_dir, self.file)
            progress.end(words, time.monotonic() - begun, len(part))

    def _lost(self, engine: Engine, reason: str) -> None:
        """Take note that an engine is gone; its family goes on elsewhere, if there is an elsewhere."""
        with self.lock:
            self.lost = reason
            if engine.host:
                CONSOLE.print(f"[red]lost[/] {engine.host}: {reason}", highlight=False)

    def _measured(self, wanted: Wanted, number: int) -> bool:
        """Whether this round of a cell is on disk; a lost engine may have sent it just in time."""
        path = results.path_of(self.session.run_dir, wanted.id)
        try:
            if not path.exists():
                return False
            result = results.load(path)
            return results.has_round(result, number) if number else bool(result["judged"])
        except ResultError:
            return False

    def _launch(self, engine: Engine, tasks: Family) -> None:
        """Run launches in one container; whatever happens to them, the run goes on with the next.

        Raises EngineError only where the engine no longer answers.
        """
        left = [replace(task.launch, cells=self._left(task.launch)) for task in tasks]
        left = [launch for launch in left if launch.cells]
        if not left:
            return
        receiver = Receiver(self.session.run_dir, self._fail)
        limit = SLACK * sum(task.seconds for task in tasks) + GRACE
        try:
            result = specs.launch(self.session, self.prepared, engine, left, limit, receiver.take)
            reason, tail = result.reason, f"\n{result.stderr}" if result.stderr else ""
        except EngineError as error:
            if not engine.alive():
                raise
            reason, tail = str(error), ""
        cpu = self.session.request("", (), (), limit).on(engine.machine())
        for number, launch in enumerate(left):
            why = (
                explain(receiver.ended.get(number, 0), cpu)
                or reason
                or "the bench said no word about this cell"
            )
            for one in launch.cells:
                if (one.id, launch.round) not in receiver.heard:
                    self._fail(one.id, launch.round, f"{why}{tail}")

    def _left(self, launch: Launch) -> tuple[Wanted, ...]:
        """The cells of a launch that have not failed before."""
        return tuple(one for one in launch.cells if one.id not in self.failed)

    def _harness(self) -> None:
        """Measure what LoadGen and the binding cost with a model that does nothing."""
        if not self.file["performance"]:
            return
        image = self.session.matrix.frameworks[self.work.launches[0].group.framework].image
        heard: list[dict[str, Any]] = []
        result = self.session.workbench.engine.launch(
            self.session.request(image, ["harness"], (), GRACE), lambda line: heard.append(json.loads(line))
        )
        if result.exit_code == 0 and heard:
            self.file["harness"] = {**heard[-1], "image": image}

    def _fail(self, cell_id: str, number: int, reason: str) -> None:
        with self.lock:
            self.failed[cell_id] = reason
            self.file["failures"].append({"id": cell_id, "round": number, "reason": reason})
        CONSOLE.print(f"[red]failed[/] {cell_id}: {reason}", highlight=False)

    def end(self) -> None:
        """Say how many cells are measured; raise FailedCellsError if one failed."""
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
