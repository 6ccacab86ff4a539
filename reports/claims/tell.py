"""Claims in words: what was expected, what was measured, and which comparison decided."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bench.plan.matrix import Matrix
from reports.claims.catalogue import ACCURACY, Claim, Tolerance, Want, margin
from reports.claims.measure import CONTRADICTS, HOLDS, MISSING, OPEN, Compared, Estimate
from reports.run.wording import TIMES, counted, fixed, joined, percent, points, title

SHOWN = 3  # comparisons that an explanation names


def label(claim: Claim, group: Sequence[Want], matrix: Matrix, batches: Sequence[int]) -> str:
    """Return "OpenVINO INT8-OM against FP32; MobileNetV2, Offline batch 32".

    The other side is told by what it has of its own, and what the sides share after them; `batches` are
    the samples a call of each. A trend is told by its batches.
    """
    sides = [_parts(claim, want, matrix, batch) for want, batch in zip(group, batches)]
    if claim.of == "trend":
        framework, method, model, scenario = _parts(claim, group[0], matrix, 0)[:4]
        return f"{framework} {method}; {model}, {scenario}, batch {joined(str(one) for one in batches)}"
    first, other = sides
    differs = [one != two for one, two in zip(first, other)]
    subject = [f"{first[0]} {first[1]}", *(part for part, own in zip(first[2:], differs[2:]) if own)]
    variant = f"{other[0]} {other[1]}" if differs[0] else other[1] if differs[1] else ""
    against = [variant, *(part for part, own in zip(other[2:], differs[2:]) if own)]
    shared = [part for part, own in zip(first[2:], differs[2:]) if not own]
    told = f"{_listed(subject)} against {_listed(against)}"
    return f"{told}; {_listed(shared)}" if any(shared) else told


def _listed(words: Sequence[str]) -> str:
    return ", ".join(filter(None, words))


def _parts(claim: Claim, want: Want, matrix: Matrix, batch: int) -> tuple[str, str, str, str, str]:
    """Framework, method, model, scenario with batch (but sizes and accuracy have none), instruction set."""
    scenario = title(matrix.scenarios, want.scenario)
    if matrix.scenarios[want.scenario].metric == "throughput" and batch:
        scenario += f" batch {batch}"
    return (
        title(matrix.frameworks, want.framework),
        want.method,
        title(matrix.models, want.model),
        "" if claim.metric in ("size", *ACCURACY) else scenario,
        title(matrix.isas, want.isa) if want.isa else "",
    )


def expected(claim: Claim, tolerance: Tolerance, *, direction: bool = False) -> str:
    """Return what is expected, as a value with its tolerance, as a bound, or as a value's direction."""
    if claim.expect == "near":
        told = f"{claim.value:g}{TIMES} ±{percent(tolerance.share, 0)}"
        side = "above" if claim.value > 1 else "below"
        return f"{side} 1{TIMES} (the paper's device: {told})" if direction else told
    room = margin(claim, tolerance)
    limit = claim.value - room if claim.expect == "above" else claim.value + room
    words = {"above": "at least", "below": "at most"}[claim.expect] if room else claim.expect
    if claim.of == "trend":
        return f"{words} {percent(limit, 0)} of pairs in order"
    return f"{words} {points(limit)} points" if claim.metric in ACCURACY else f"{words} {limit:.4g}{TIMES}"


def measured(claim: Claim, estimate: Estimate) -> str:
    """Return an estimate with its interval in its unit: times, points of top-1, or per cent of pairs."""
    tell, unit = _unit(claim)
    if claim.metric == "size":
        return f"{tell(estimate.value)}{unit}"
    if estimate.low is None or estimate.high is None:
        return f"{tell(estimate.value)}{unit} [one round: no interval]"
    return f"{tell(estimate.value)}{unit} [{tell(estimate.low)}, {tell(estimate.high)}]"


def _unit(claim: Claim) -> tuple[Callable[[float], str], str]:
    if claim.of == "trend":
        return lambda value: fixed(100 * value, 0), "\N{NO-BREAK SPACE}%"
    if claim.metric in ACCURACY:
        return points, " points"
    return lambda value: fixed(value, 2), TIMES


def of_value(claim: Claim, tolerance: Tolerance, estimate: Estimate) -> str:
    """Return how the estimate lies to a value that speaks of another device."""
    low, high = (claim.value * (1 + sign * tolerance.share) for sign in (-1, 1))
    first = estimate.value if estimate.low is None else estimate.low
    last = estimate.value if estimate.high is None else estimate.high
    inside, outside = low < first and last < high, last <= low or first >= high
    words = "lies within" if inside else "lies outside" if outside else "reaches across the edge of"
    return (
        f"The value speaks of {joined(claim.platforms)}: what was measured here {words} "
        f"{claim.value:g}{TIMES} ±{percent(tolerance.share, 0)}"
    )


def explain(decisive: Compared | None, compared: Sequence[Compared]) -> str:
    """Return which comparisons speak for and against, and what is missing."""
    count = len(compared)
    told = []
    if decisive and count == 1:
        told.append(decisive.label)
    elif decisive:
        holding = sum(one.state == HOLDS for one in compared)
        words = "closest" if decisive.state == OPEN else "decided by"
        told.append(f"{holding} of {counted(count, 'comparison')} hold; {words}: {decisive.label}")
    for where, words in ((CONTRADICTS, "against it"), (OPEN, "across the bound")):
        others = [one.label for one in compared if one.state == where and one is not decisive]
        if others:
            told.append(f"{'also ' if decisive and decisive.state == where else ''}{words}: {_few(others)}")
    told += dict.fromkeys(one.reason for one in compared if one.estimate and one.reason)
    lost = [one.reason for one in compared if one.state == MISSING]
    if lost:
        some = len(lost) < count
        these = f"{len(lost)} of {counted(count, 'comparison')} not measured: " if some else ""
        told.append(these + _few(list(dict.fromkeys(lost))))
    return ". ".join(told)


def _few(words: Sequence[str]) -> str:
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return " | ".join(words[:SHOWN]) + more


def bounds(pair: tuple[float, float]) -> list[float | None]:
    """Return bounds for JSON, which has no infinity."""
    return [None if math.isinf(one) else one for one in pair]
