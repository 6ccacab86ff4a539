"""Claims in words: what was expected, what was measured, and which comparison decided."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bench.matrix import Matrix
from reports.claimdata import CONTRADICTS, HOLDS, MISSING, OPEN, Compared, Figure
from reports.claimfile import ACCURACY, Claim, Tolerance, Want
from reports.text import TIMES, counted, fixed, joined, percent, points, title

SHOWN = 3  # comparisons that an explanation names


def label(group: Sequence[Want], matrix: Matrix, batches: Sequence[int]) -> str:
    """Return "OpenVINO INT8-OM against OpenVINO FP32; MobileNetV2, Offline batch 32".

    What the sides share is told once, after them; a trend is told by its first side.
    """
    sides = [_parts(want, matrix, batch) for want, batch in zip(group, batches)]
    if len({side[0] for side in sides}) == 1 and len(sides) > 2:
        first = _parts(group[0], matrix, 0)
        return f"{first[0]}; {first[1]}, {first[2]}, batch {joined(str(one) for one in batches)}"
    shared = [part for part, *others in zip(*(side[1:] for side in sides)) if part and {part} == {*others}]
    own = [[side[0], *(part for part in side[1:] if part and part not in shared)] for side in sides]
    return "; ".join(filter(None, [" against ".join(", ".join(words) for words in own), ", ".join(shared)]))


def _parts(want: Want, matrix: Matrix, batch: int) -> tuple[str, str, str, str]:
    """Framework with method, model, scenario with batch, instruction set."""
    scenario = title(matrix.scenarios, want.scenario)
    throughput = matrix.scenarios[want.scenario].metric == "throughput"
    return (
        f"{title(matrix.frameworks, want.framework)} {want.method}",
        title(matrix.models, want.model),
        f"{scenario} batch {batch}" if throughput and batch else scenario,
        title(matrix.isas, want.isa) if want.isa else "",
    )


def expected(claim: Claim, tolerance: Tolerance) -> str:
    """Return what the paper says, as a value with its tolerance or as a bound."""
    if claim.expect == "near":
        return f"{claim.value:g}{TIMES} (±{percent(tolerance.share, 0)})"
    return _bound(claim, claim.expect, _limit(claim, tolerance), strict=not tolerance.share)


def _limit(claim: Claim, tolerance: Tolerance) -> float:
    margin = tolerance.share * (1.0 if claim.metric in ACCURACY else abs(claim.value))
    return claim.value - margin if claim.expect == "above" else claim.value + margin


def _bound(claim: Claim, side: str, limit: float, *, strict: bool) -> str:
    words = {"above": "above", "below": "below"} if strict else {"above": "at least", "below": "at most"}
    if claim.of == "trend":
        return f"{words[side]} {percent(limit, 0)} of pairs in order"
    amount = f"{points(limit)} points" if claim.metric in ACCURACY else f"{limit:.4g}{TIMES}"
    return f"{words[side]} {amount}"


def measured(claim: Claim, figure: Figure) -> str:
    """Return a figure with its interval in its unit: times, points of top-1, or per cent of pairs."""
    tell, unit = _unit(claim)
    if claim.metric == "size":
        return f"{tell(figure.value)}{unit}"
    if figure.low is None or figure.high is None:
        return f"{tell(figure.value)}{unit} [one round: no interval]"
    return f"{tell(figure.value)}{unit} [{tell(figure.low)}, {tell(figure.high)}]"


def _unit(claim: Claim) -> tuple[Callable[[float], str], str]:
    if claim.of == "trend":
        return lambda value: fixed(100 * value, 0), "\N{NO-BREAK SPACE}%"
    if claim.metric in ACCURACY:
        return points, " points"
    return lambda value: fixed(value, 2), TIMES


def of_value(claim: Claim, tolerance: Tolerance, figure: Figure) -> str:
    """Return how the figure lies to a value that speaks of another device."""
    low, high = (claim.value * (1 + sign * tolerance.share) for sign in (-1, 1))
    first = figure.value if figure.low is None else figure.low
    last = figure.value if figure.high is None else figure.high
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
        told.append(f"{holding} of {counted(count, 'comparison')} hold; decided by {decisive.label}")
    for where, words in ((CONTRADICTS, "against it"), (OPEN, "across the bound")):
        others = [one.label for one in compared if one.state == where and one is not decisive]
        if others:
            told.append(f"{'also ' if decisive and decisive.state == where else ''}{words}: {_few(others)}")
    told += dict.fromkeys(one.reason for one in compared if one.figure and one.reason)
    lost = [one.reason for one in compared if one.state == MISSING]
    if lost:
        these = f"{len(lost)} of {counted(count, 'comparison')} not measured: " if count > 1 else ""
        told.append(these + _few(list(dict.fromkeys(lost))))
    return ". ".join(told)


def _few(words: Sequence[str]) -> str:
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return " | ".join(words[:SHOWN]) + more


def bounds(pair: tuple[float, float]) -> list[float | None]:
    """Return bounds for JSON, which has no infinity."""
    return [None if math.isinf(one) else one for one in pair]
