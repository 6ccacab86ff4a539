"""A run of the mlperf-v2.1 profile as the tree that MLPerf Inference v2.1's submission checker reads.

Open division: open/<submitter>/{systems,code,measurements,results,compliance}. LoadGen's logs are copied as
they are, accuracy logs cut to their ends with the hash of the whole, as MLCommons' own tools do. A cell that
the round would not take (INVALID, no accuracy, no timings) is left out with the reason; what the checker will
not take of the others is in README.md. Nothing here is verified by MLCommons, and nothing says so.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.common.errors import ResultError, UsageError
from bench.measure import audit_rules
from bench.plan.matrix import Matrix
from bench.store import results
from reports.deposit import mlperf_texts as texts
from reports.deposit.hashes import digest
from reports.run.command import command
from reports.run.results import Measured, Run

PROFILE = "mlperf-v2.1"
LOGS = ("mlperf_log_summary.txt", "mlperf_log_detail.txt")
ANSWERS = "mlperf_log_accuracy.json"
_VIEWABLE = 4096  # bytes kept at each end of an accuracy log (truncate_accuracy_log.py)
_CUT = b"\n\n...\n\n"


@dataclass(frozen=True)
class Submission:
    """An exported tree: its folder, the cells in it, and by cell why others are left out."""

    path: Path
    cells: tuple[str, ...]
    left_out: Mapping[str, str]
    shortfalls: tuple[str, ...]
    failed_audits: tuple[str, ...]


def write(run: Run, matrix: Matrix, submitter: str) -> Submission:
    """Write `run`'s folder submission/ and return what it holds; an older one is replaced.

    Raises UsageError for a run of another profile, a submitter that is no folder name, or no cell to export;
    ResultError where a log is missing.
    """
    check(run, submitter)
    left_out = {one.cell.id: reason for one in run.measured if (reason := _unfit(one))}
    left_out |= {one.id: f"{one.state}: {one.reason}" for one in run.not_measured}
    chosen = [one for one in run.measured if one.cell.id not in left_out]
    if not chosen:
        reasons = "; ".join(sorted(set(left_out.values()))) or "nothing is measured"
        raise UsageError(f"no cell of run '{run.name}' can be exported: {reasons}", where=str(run.path))
    _check_places(chosen)
    target = run.path / "submission"
    partial = Path(tempfile.mkdtemp(prefix=".submission-", dir=run.path))
    try:
        partial.chmod(0o755)
        tree = _Tree(run, matrix, submitter, partial / "open" / submitter)
        for one in chosen:
            tree.add(one)
        names = tuple(one.cell.id for one in chosen)
        found = Submission(target, names, left_out, _shortfalls(chosen, matrix), tuple(tree.failed_audits))
        readme = texts.readme(run, submitter, found.cells, left_out, found.shortfalls, tree.audits)
        (partial / "README.md").write_text(readme, encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return found


def check(run: Run, submitter: str) -> None:
    """Raise UsageError for a run of another profile or device, or a submitter that is no folder name."""
    if run.profile != PROFILE:
        raise UsageError(
            f"run '{run.name}' is of profile {run.profile}, not {PROFILE}: other durations, other seeds",
            where="--profile",
            remedy=f"invoke run submission --profile {PROFILE}",
        )
    if not run.performance:
        raise UsageError(f"timings of run '{run.name}' are not performance", where=str(run.path))
    if run.facts["device_note"]:
        raise UsageError(
            str(run.facts["device_note"]), where=str(run.path), remedy="run with --platform host"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", submitter):
        said = f"{submitter!r} is not a folder name" if submitter else "a submission names its submitter"
        raise UsageError(said, where="--submitter", remedy="--submitter YOUR_ORGANISATION")


def truncated(log: bytes) -> bytes:
    """Return both ends of an accuracy log; one that is no longer than that stays whole."""
    if len(log) <= 2 * _VIEWABLE + len(_CUT):
        return log
    return log[:_VIEWABLE] + _CUT + log[-_VIEWABLE:]


def system(one: Measured) -> str:
    """Return the system's name: what differs between results of one benchmark and scenario."""
    cell = one.cell
    parts = (cell.platform, cell.framework, cell.method, "" if cell.isa == "native" else cell.isa)
    return "-".join(part for part in parts if part).lower()


def _unfit(one: Measured) -> str:
    """Why the round would not take this cell, "" if it would."""
    if not one.timings:
        return "its timings are not performance"
    if not one.timings[0].valid:
        return f"INVALID: {'; '.join(one.timings[0].reasons)}"
    return "" if one.accuracy else f"no accuracy: {one.accuracy_reason}"


def _check_places(chosen: list[Measured]) -> None:
    taken: dict[tuple[str, str, str], str] = {}
    for one in chosen:
        place = (system(one), one.cell.model, one.cell.scenario)
        other = taken.setdefault(place, one.cell.id)
        if other != one.cell.id:
            raise UsageError(
                f"{other} and {one.cell.id} would stand in one place: a system has one result a scenario",
                remedy="export runs of one batch and one kind of weights",
            )


def _shortfalls(chosen: list[Measured], matrix: Matrix) -> tuple[str, ...]:
    """What the checker will not take, although LoadGen called it VALID."""
    asked = matrix.profiles[PROFILE].performance_samples
    found = {
        f"{one.used['performance_sample_count']} performance samples, the round wants {asked}: "
        f"{one.dataset} has no more (--dataset imagenet:PATH has)"
        for one in chosen
        if one.used["performance_sample_count"] < asked
    }
    return tuple(sorted(found))


class _Tree:
    """open/<submitter>/, cell by cell."""

    def __init__(self, run: Run, matrix: Matrix, submitter: str, path: Path) -> None:
        self.run, self.matrix, self.submitter, self.path = run, matrix, submitter, path
        self.command = command(run, matrix)
        self.audits: dict[str, bool] = {}

    @property
    def failed_audits(self) -> list[str]:
        return [name for name, passed in self.audits.items() if not passed]

    def add(self, one: Measured) -> None:
        """Write everything about one cell."""
        cell, name = one.cell, system(one)
        place = Path(name, cell.model, cell.scenario)
        self._json(
            self.path / "systems" / f"{name}.json", texts.system(one, self.run, self.matrix, self.submitter)
        )
        code = self.path / "code" / cell.model / cell.framework / "README.md"
        self._text(code, texts.code(self.run, self.command))
        measurements = self.path / "measurements" / place
        described = texts.implementation(one, self.matrix)
        self._json(measurements / f"{name}_{cell.framework}_{cell.scenario}.json", described)
        for file, text in texts.measurements(one, self.run, self.matrix, self.command).items():
            self._text(measurements / file, text)
        logs = self.run.path / "loadgen" / cell.id
        results = self.path / "results" / place
        self._copy(logs / f"round-{one.timings[0].number}", results / "performance" / "run_1", LOGS)
        self._copy(logs / "accuracy", results / "accuracy", LOGS)
        assert one.accuracy
        said = texts.accuracy(one.accuracy.top1, one.accuracy.samples)
        self._answers(logs / "accuracy", results / "accuracy", said)
        for test in audit_rules.TESTS:
            self._audit(one, test, self.path / "compliance" / place / test)

    def _audit(self, one: Measured, test: str, target: Path) -> None:
        """A test's logs and verdicts, where it was run on the cell as it is measured now."""
        result = results.load(results.path_of(self.run.path, one.cell.id))
        found = audit_rules.settled(self.run.path, result, test)
        if found is None:
            return
        self.audits[f"{one.cell.id} {test}"] = found["passed"]
        source = self.run.path / "audit" / one.cell.id / test
        self._copy(source, target / "performance" / "run_1", LOGS)
        self._text(target / "verify_performance.txt", texts.performance_verdict(found["performance"]))
        answers = found["accuracy"]
        if answers:
            self._text(target / "verify_accuracy.txt", texts.accuracy_verdict(answers))
            self._answers(source, target / "accuracy", "")
            if answers["different"]:  # then the accuracies decide, and the checker wants to see them
                for file, key in (("baseline", "top1_measured"), ("compliance", "top1_audit")):
                    said = texts.accuracy(round(answers[key] * answers["answers"]), answers["answers"])
                    self._text(target / "accuracy" / f"{file}_accuracy.txt", said)

    def _answers(self, source: Path, target: Path, said: str) -> None:
        """The truncated accuracy log, and accuracy.txt with the hash of the whole."""
        log = self._read(source / ANSWERS)
        self._text(target / "accuracy.txt", f"{said}hash={digest(log)}\n")
        (target / ANSWERS).write_bytes(truncated(log))

    def _copy(self, source: Path, target: Path, names: tuple[str, ...]) -> None:
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            (target / name).write_bytes(self._read(source / name))

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise ResultError(
                f"LoadGen's log cannot be read: {error.strerror}",
                where=str(path),
                remedy="invoke run --fresh",
            ) from None

    def _json(self, path: Path, document: Mapping[str, Any]) -> None:
        self._text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")

    def _text(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
