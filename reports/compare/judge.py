"""What two measurements of one kind of cell say: speed, speedup over FP32 and accuracy, B against A.

A ratio is always B over A in speed: above 1, B is the faster one, be the metric a latency or a
throughput. Nothing is called faster, slower or the same that the rounds do not show.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.plan.matrix import Matrix
from reports.run.metrics import metric_by_round, metric_percentile
from reports.run.results import Measured, Run
from reports.run.wording import counted, joined, percent
from reports.stats import paired_answers, two_samples
from reports.stats.by_round import Ratio, bootstrap
from reports.stats.paired_answers import Accuracy, Paired

FASTER, SLOWER, SAME = "faster", "slower", "same"
LOWER, HIGHER, NO_CHANGE = "lower", "higher", "no change shown"
UNDECIDED, INCOMPARABLE = "not decided", "not comparable"
NOT_JUDGED = "not judged"  # on another machine a difference in speed is no regression
NOT_MEASURED = "not measured"
DECIDED, HELD = (FASTER, SLOWER, SAME), (FASTER, SAME)

# Two rounds against two lie apart by chance once in three; three against three once in ten.
MIN_ROUNDS = 3
# MLPerf Inference asks its quantized entries for 99 % of the reference's accuracy.
ACCURACY_KEPT = 0.99
CORRECTED = "p after Holm's correction"


@dataclass(frozen=True)
class Limits:
    """A `threshold` of 0.05 is 5 % either way: a ratio above 1.05 or below 1/1.05. `alpha` is for p."""

    threshold: float = 0.05
    alpha: float = paired_answers.ALPHA

    @property
    def told(self) -> str:
        """The threshold in per cent."""
        return f"{100 * self.threshold:g}\N{NO-BREAK SPACE}%"


@dataclass(frozen=True)
class SpeedVerdict:
    """The rounds of a cell in both runs, in `unit` (ms a query, or samples/s), and what they say.

    `ratio` is B over A in speed, None where the two are not comparable; `test` has its interval and
    Mann and Whitney's U (the pairs of rounds in which B is the faster), None with one round; `adjusted`
    is its p after Holm's correction over all cells that were tested, None where this one was not.
    """

    label: str
    unit: str
    a: tuple[float, ...]
    b: tuple[float, ...]
    verdict: str
    reason: str
    ratio: float | None = None
    test: two_samples.TwoSampleTest | None = None
    adjusted: float | None = None


@dataclass(frozen=True)
class Gain:
    """The paper's speedup over the same framework's FP32 in both runs; `change` is B's over A's.

    Where they cannot be told, all are None but `reason`.
    """

    reason: str
    a: Ratio | None = None
    b: Ratio | None = None
    change: float | None = None
    test: two_samples.TwoSampleTest | None = None


@dataclass(frozen=True)
class Answers:
    """Top-1 in both runs; in `change`, "lost" is what only A had right.

    `right` counts what A and B had right of the `change.samples` images that both answered.
    """

    verdict: str
    reason: str
    a: Accuracy | None = None
    b: Accuracy | None = None
    change: Paired | None = None
    right: tuple[int, int] = (0, 0)


# -------------------------------------------------------------------------------- speed


def speed(one: Measured, other: Measured, a: Run, b: Run, matrix: Matrix) -> SpeedVerdict:
    """Return the rounds of a cell in run `a` (`one`) and run `b`; where they could decide, UNDECIDED
    without a reason: decided() gives the verdict once all cells are known."""
    scenario, percentile = one.cell.scenario, common_percentile(a, b, one.cell.scenario, matrix)
    throughput = matrix.scenarios[scenario].metric == "throughput"
    label, unit = ("throughput", "samples/s") if throughput else (f"p{percentile} latency", "ms")
    sides = {"A": (one, a), "B": (other, b)}
    untimed = [f"{side} {why}" for side, (cell, run) in sides.items() if (why := _untimed(cell, run))]
    if untimed:
        return SpeedVerdict(label, unit, (), (), INCOMPARABLE, joined(untimed))
    values, others = (tuple(metric_by_round(cell, percentile, matrix).values()) for cell in (one, other))
    found = SpeedVerdict(label, unit, values, others, UNDECIDED, "")
    lacking = [side for side, rounds in (("A", values), ("B", others)) if not rounds]
    if lacking:
        return replace(found, verdict=INCOMPARABLE, reason=f"LoadGen's log lacks it in {joined(lacking)}")
    above, below = (others, values) if throughput else (values, others)
    test = two_samples.compare(above, below)
    ratio = test.ratio if test else statistics.median(above) / statistics.median(below)
    return replace(found, ratio=ratio, test=test, reason=_unfit(found, one, other))


def common_percentile(a: Run, b: Run, scenario: str, matrix: Matrix) -> int:
    """Return the percentile of a stream's metric; where the two profiles disagree, the scenario's own."""
    found = {metric_percentile(matrix, run.profile, scenario) for run in (a, b)}
    return found.pop() if len(found) == 1 else matrix.scenarios[scenario].percentile


def _untimed(one: Measured, run: Run) -> str:
    """Why a cell has no timing to compare, "" where it has."""
    if one.environment["emulated"]:
        return "is emulated"
    return "" if one.timings else f"measured no performance (profile {run.profile})"


def _unfit(found: SpeedVerdict, one: Measured, other: Measured) -> str:
    """Why these rounds can decide nothing, "" where they can."""
    reasons = []
    for side, cell, values in (("A", one, found.a), ("B", other, found.b)):
        if not all(timing.valid for timing in cell.timings):
            reasons.append(f"INVALID in {side}")
        slowed = dict.fromkeys(timing.mark.word for timing in cell.timings if timing.mark)
        reasons += [f"{word} in {side}" for word in slowed]
        if len(values) < MIN_ROUNDS:
            reasons.append(f"{'one round' if len(values) == 1 else 'two rounds'} in {side}")
    return ", ".join(reasons)


def apart(found: SpeedVerdict, machine: Sequence[str]) -> SpeedVerdict:
    """Return `found`, not judged where the `machine` differs; its ratio is shown all the same."""
    if found.ratio is None or not machine:
        return found
    return replace(found, verdict=NOT_JUDGED, reason=f"another machine: other {joined(machine)}")


def decided(cells: Sequence[SpeedVerdict], limits: Limits) -> tuple[SpeedVerdict, ...]:
    """Return the cells with their verdicts and Holm's correction over all that can decide something."""
    fit = [index for index, one in enumerate(cells) if one.test and not one.reason]
    tests = [test for index in fit if (test := cells[index].test)]
    told = list(cells)
    for index, test, adjusted in zip(
        fit, tests, paired_answers.holm([test.p for test in tests]), strict=True
    ):
        one = replace(cells[index], adjusted=adjusted)
        verdict, reason = _verdict(one, test, len(fit), limits)
        told[index] = replace(one, verdict=verdict, reason=reason)
    return tuple(told)


def _verdict(
    one: SpeedVerdict, test: two_samples.TwoSampleTest, tested: int, limits: Limits
) -> tuple[str, str]:
    """Return the verdict on a cell among `tested` ones, and what it rests on."""
    wide, told = 1 + limits.threshold, limits.told
    if max(test.high, 1 / test.low) <= wide:
        return SAME, f"the whole interval is within {told}"
    # With so few rounds that no p can be small, the rounds must lie clearly apart in its place.
    enough = two_samples.smallest_p(len(one.a), len(one.b)) * tested <= limits.alpha
    small = one.adjusted is not None and one.adjusted <= limits.alpha
    doubts = [
        (not test.differs, "the interval holds 1 and reaches beyond the threshold"),
        (max(test.ratio, 1 / test.ratio) <= wide, f"differs, but is not shown to by more than {told}"),
        (enough and not small, f"p above {limits.alpha:g} after Holm's correction"),
        (not enough and not test.separated, "rounds overlap"),
        (
            not enough and not test.apart,
            "no round overlaps, but the gap is not wider than the rounds' spread",
        ),
    ]
    for holds, doubt in doubts:
        if holds:
            return UNDECIDED, doubt
    few = f"rounds lie clearly apart; too few of them for p < {limits.alpha:g} over {counted(tested, 'cell')}"
    return (FASTER if test.ratio > 1 else SLOWER), CORRECTED if enough else few


# ------------------------------------------------------------------------- speedup, accuracy


def gain(
    cells: Sequence[Measured], bases: Sequence[Measured | None], percentile: int, matrix: Matrix
) -> Gain:
    """Return the speedups over FP32 of a cell in A and B, with the ratio of the two.

    `cells` and `bases` (their FP32) are (A's, B's). A speedup pairs the rounds of one run.
    """
    lists = []
    for side, one, base in zip("AB", cells, bases, strict=True):
        if base is None:
            return Gain(f"no FP32 in {side}")
        if not all(timing.valid for timing in (*one.timings, *base.timings)):
            return Gain(f"INVALID in {side}")
        values, basis = (metric_by_round(cell, percentile, matrix) for cell in (one, base))
        throughput = matrix.scenarios[one.cell.scenario].metric == "throughput"
        above, below = (values, basis) if throughput else (basis, values)
        lists.append([above[number] / below[number] for number in sorted(above) if number in below])
        if not lists[-1]:
            return Gain(f"no round in common with FP32 on one machine in {side}")
    first, second = (Ratio(statistics.median(one), *bootstrap(one), len(one)) for one in lists)
    return Gain("", first, second, second.value / first.value, two_samples.compare(lists[1], lists[0]))


def answers(one: Measured, other: Measured) -> Answers:
    """Return the accuracies of a cell in A and B; where they are compared, not judged yet."""
    lacking = [
        f"{side}: {cell.accuracy_reason}" for side, cell in (("A", one), ("B", other)) if not cell.accuracy
    ]
    verdict = NOT_MEASURED if len(lacking) == 2 else INCOMPARABLE
    found = Answers(verdict, "; ".join(lacking), one.accuracy, other.accuracy)
    if not one.accuracy or not other.accuracy:
        return found
    if one.dataset != other.dataset:
        return replace(found, reason=f"other images: {one.dataset} in A, {other.dataset} in B")
    change = paired_answers.compare(other.accuracy, one.accuracy)
    if change is None:
        return replace(found, reason="no sample in common")
    return replace(found, change=change, right=(_right(one.accuracy, change), _right(other.accuracy, change)))


def _right(found: Accuracy, change: Paired) -> int:
    """How many of the images that both answered are right."""
    return (found.bits >> (found.samples - change.samples)).bit_count()


def corrected(cells: Sequence[Answers], limits: Limits) -> tuple[Answers, ...]:
    """Return the accuracies with Holm's correction over all that were compared, and their verdicts."""
    adjusted = iter(paired_answers.holm([one.change.p for one in cells if one.change]))
    return tuple(_judged(one, next(adjusted), limits.alpha) if one.change else one for one in cells)


def _judged(one: Answers, adjusted: float, alpha: float) -> Answers:
    assert one.change is not None
    change, (a, b) = replace(one.change, adjusted=adjusted), one.right
    if not change.lost and not change.won:
        return replace(one, change=change, verdict=NO_CHANGE, reason="the same samples are right")
    if adjusted > alpha:
        return replace(one, change=change, verdict=NO_CHANGE, reason="within noise")
    if min(a, b) >= ACCURACY_KEPT * max(a, b):
        kept = f"more than noise, but within {percent(1 - ACCURACY_KEPT, 0)} of the other"
        return replace(one, change=change, verdict=NO_CHANGE, reason=kept)
    return replace(one, change=change, verdict=HIGHER if b > a else LOWER, reason=CORRECTED)
