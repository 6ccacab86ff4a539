"""What the runs say of a claim's comparison: its cells from one run, and the estimate with its interval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.plan.cells import Cell
from bench.plan.matrix import Matrix
from bench.runtimes.isa import NATIVE
from reports.claims.catalogue import ACCURACY, Claim, Want
from reports.run.metrics import Round, metric_percentile, round_of
from reports.run.results import Measured, Run
from reports.stats import by_round, paired_answers
from reports.stats.paired_answers import Accuracy

Cells = Mapping[Want, Measured]
TIMED = ("speed", "speedup", "memory")
NO_ROUND = "no round in common on one machine"
INVALID = "INVALID"  # LoadGen's word; with it begins the reason of a comparison that lacks queries
# States of one comparison.
HOLDS, CONTRADICTS, OPEN, MISSING = "holds", "contradicts", "undecided", "not measured"


@dataclass(frozen=True)
class Estimate:
    """A ratio, a difference of shares or a share, with its 95 % interval over `count` rounds or samples.

    `low` and `high` are None for a single round, which says nothing about noise.
    """

    value: float
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True)
class Compared:
    """One comparison of a claim; where `estimate` is None, `reason` says why."""

    label: str
    run: str
    estimate: Estimate | None
    state: str
    reason: str


class Results:
    """The runs of one platform, searched for what a claim names.

    `weights` is the source wanted, by model; `dataset` the images. Runs given first are preferred.
    """

    def __init__(
        self, runs: Sequence[Run], matrix: Matrix, platform: str, weights: Mapping[str, str], dataset: str
    ) -> None:
        self.runs, self.matrix, self.platform = runs, matrix, platform
        self._cells = [
            (
                run,
                {
                    one.cell: one
                    for one in run.measured
                    if one.dataset == dataset and one.cell.weights == weights.get(one.cell.model)
                },
            )
            for run in runs
        ]

    def find(self, wants: Sequence[Want]) -> tuple[Run, Cells] | str:
        """Return a run that measured all of `wants` and their cells, or why there is none.

        A comparison never mixes runs: rounds of different runs were not interleaved.
        """
        complete: list[tuple[Run, Cells]] = []
        lacking: list[Want] = []
        for run, cells in self._cells:
            found = {want: pick(want, cells, self.matrix, self.platform) for want in wants}
            if all(found.values()):
                complete.append((run, {want: cells[cell] for want, cell in found.items() if cell}))
            lacking += [want for want in found if not found[want]]
        valid = [one for one in complete if not invalid(one[1])]
        return (valid or complete)[0] if complete else self._why(lacking or wants)

    def _why(self, wants: Sequence[Want]) -> str:
        """Why the first of `wants` that the runs know of was not measured."""
        for want in wants:
            for run in self.runs:
                lost = {one.cell: one for one in run.not_measured if one.cell}
                cell = pick(want, lost, self.matrix, self.platform)
                if cell:
                    return f"{lost[cell].state}: {lost[cell].reason.splitlines()[0]}"
                for absent in run.absent if self._speaks(run, want) else ():
                    if (absent.framework, absent.model, absent.method) == want[:3]:
                        return absent.reason
        return "not measured yet"

    def _speaks(self, run: Run, want: Want) -> bool:
        """Whether what is absent from a run is absent under the instruction set of `want`, too."""
        usual = {self.matrix.platforms[self.platform].isa, NATIVE}
        isas = {one.cell.isa for one in run.measured}
        isas |= {one.cell.isa for one in run.not_measured if one.cell}
        return bool(want.isa) or isas <= usual


def pick(want: Want, cells: Iterable[Cell], matrix: Matrix, platform: str) -> Cell | None:
    """Return the cell that `want` names; where it names no instruction set, under the platform's or none."""
    samples = batch_of(want, matrix, platform)
    found = {
        cell.isa: cell
        for cell in cells
        if (cell.framework, cell.model, cell.method, cell.scenario) == want[:4]
        and (cell.platform, cell.stack, cell.batch) == (platform, matrix.defaults.stack, samples)
    }
    isas = (want.isa,) if want.isa else (matrix.platforms[platform].isa, NATIVE)
    return next((found[isa] for isa in isas if isa in found), None)


def batch_of(want: Want, matrix: Matrix, platform: str) -> int:
    """Return the samples a call of a wanted cell: the scenario's, the claim's, or the platform's."""
    samples = matrix.scenarios[want.scenario].samples_per_query
    return samples or want.batch or matrix.platforms[platform].offline_batch


def invalid(cells: Cells) -> str:
    """Return which of `cells` LoadGen called INVALID in some round, with its first reason; "" for none."""
    bad = {
        one.cell.id: "".join(timing.reasons[:1]).rstrip(".")
        for one in cells.values()
        for timing in one.timings
        if not timing.valid
    }
    return f"{INVALID}: {'; '.join(f'{name} ({why})' for name, why in bad.items())}" if bad else ""


def estimate(
    claim: Claim, group: Sequence[Want], cells: Cells, matrix: Matrix, profile: str
) -> Estimate | str:
    """Return the estimate of one comparison, or why its cells give none."""
    if claim.metric == "size":
        above, below = (int(cells[want].artifact["bytes"]) for want in group)
        share = above / below
        return Estimate(share, share, share, 1)
    if claim.metric in ACCURACY:
        return _accuracy(claim.metric, group, cells)
    if any(not one.timings for one in cells.values()):
        return "emulated or smoke: its timings are not performance"
    if claim.metric != "memory" and (reason := invalid(cells)):
        return reason
    lines = [_by_round(claim.metric, want, cells, matrix, profile) for want in group]
    if claim.of == "trend":
        return _trend(lines)
    found = by_round.paired_ratio(*lines)
    return Estimate(found.value, found.low, found.high, found.pairs) if found else NO_ROUND


def _by_round(metric: str, want: Want, cells: Cells, matrix: Matrix, profile: str) -> dict[Round, float]:
    """Return the metric of a cell by round and machine; more is faster, or more memory."""
    one = cells[want]
    if metric == "memory":
        return {round_of(t): float(t.peak_memory_bytes) for t in one.timings if t.peak_memory_bytes}
    own = _speed(one, matrix, profile)
    if metric == "speed":
        return own
    base = _speed(cells[want.baseline], matrix, profile)
    return {number: own[number] / base[number] for number in own if base.get(number)}


def _speed(one: Measured, matrix: Matrix, profile: str) -> dict[Round, float]:
    """Samples a second, or queries a second at the latency that the scenario reports, by round."""
    if matrix.scenarios[one.cell.scenario].metric == "throughput":
        return {round_of(timing): timing.rate for timing in one.timings}
    name = f"p{metric_percentile(matrix, profile, one.cell.scenario)}"
    latencies = {round_of(timing): (timing.latency_ns or {}).get(name) for timing in one.timings}
    return {number: 1e9 / value for number, value in latencies.items() if value}


def _trend(lines: Sequence[Mapping[Round, float]]) -> Estimate | str:
    """Return how many pairs of steps are in order, as a share: the median over rounds."""
    rounds = sorted(set.intersection(*(set(line) for line in lines)))
    shares = []
    for number in rounds:
        values = [line[number] for line in lines]
        pairs = [(values[i], values[j]) for j in range(len(values)) for i in range(j)]
        shares.append(sum(first < second for first, second in pairs) / len(pairs))
    found = by_round.summarize(shares)
    return Estimate(found.median, *by_round.bootstrap(shares), len(shares)) if found else NO_ROUND


def _accuracy(metric: str, group: Sequence[Want], cells: Cells) -> Estimate | str:
    order = [want for one in group for want in ((one, one.baseline) if metric == "top1-change" else (one,))]
    found: list[Accuracy] = []
    for want in order:
        one = cells[want]
        if one.accuracy is None:
            return f"no accuracy: {one.accuracy_reason}"
        found.append(one.accuracy)
    if metric == "top1-change":
        change = paired_answers.changes(found)
        return Estimate(*change) if change else "no sample"
    pair = paired_answers.compare(*found)
    return Estimate(pair.change, pair.low, pair.high, pair.samples) if pair else "no sample"
