"""Verdicts: a claim of the paper against what the runs measured, on the device that measured it.

A claim of one of the paper's devices that was measured on another machine is judged "on this device":
whether it holds there too. A value (3.3 times) speaks of the paper's device alone, so elsewhere only its
direction is judged. Nothing is reproduced without measured cells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.device.environment import ARCHES
from bench.plan.matrix import Matrix
from bench.runtimes.isa import NATIVE
from reports.claims import catalogue, tell
from reports.claims.catalogue import ACCURACY, Claim, ClaimFile, Tolerance, Want
from reports.claims.measure import (
    CONTRADICTS,
    HOLDS,
    MISSING,
    OPEN,
    TIMED,
    Compared,
    Estimate,
    Results,
    batch_of,
    estimate,
)
from reports.run.wording import joined

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
UNDECIDED = "undecided"
NOT_TESTABLE = "not testable here"
VERDICTS = (REPRODUCED, NOT_REPRODUCED, UNDECIDED, NOT_TESTABLE)


@dataclass(frozen=True)
class DeviceUnderTest:
    """What measures: `own` where it is the very device that `platform` names in the paper.

    `untimed` says why its timings are not performance, "" where they are.
    """

    platform: str
    arch: str
    cpu: str
    flags: frozenset[str]
    own: bool
    untimed: str
    weights: str


@dataclass(frozen=True)
class JudgedClaim:
    """A claim's verdict; `estimate` is that of the comparison that decided, None where nothing was measured.

    `scope` says of what the verdict speaks, "" where there is none. `accepted` are the bounds, those of a
    `direction` alone where the claim's value speaks of another device.
    """

    id: str
    claim: Claim
    tolerance: Tolerance
    verdict: str
    scope: str
    direction: bool
    accepted: tuple[float, float]
    estimate: Estimate | None
    explanation: str
    compared: tuple[Compared, ...]


def device_of(run: Mapping[str, Any], matrix: Matrix, weights: str) -> DeviceUnderTest:
    """Return the device that a run.json speaks of: its "host", "platform", "profile" and "device_note"."""
    host, platform = run.get("host") or {}, str(run["platform"])
    machine = str(host.get("machine"))
    facts, here = matrix.platforms[platform], ARCHES.get(machine, machine)
    arch = here if facts.arch == "any" else facts.arch
    untimed = ""
    if arch != here:
        untimed = f"{platform} is emulated here: its timings are not performance"
    elif not matrix.profiles[run["profile"]].performance:
        untimed = f"profile {run['profile']} measures no performance"
    flags = frozenset(host.get("flags") or ())
    own = facts.arch != "any" and not run.get("device_note")
    return DeviceUnderTest(platform, arch, str(host.get("cpu_model")), flags, own, untimed, weights)


def obstacle(claim: Claim, device: DeviceUnderTest, matrix: Matrix) -> str:
    """Return why the claim cannot be tested on `device` whatever is measured there, "" where it can."""
    arches = {matrix.platforms[name].arch for name in claim.platforms}
    timed = claim.metric in TIMED
    if timed and arches and device.arch not in arches:
        return f"speaks of {joined(claim.platforms)} ({joined(sorted(arches))}), this device is {device.arch}"
    if timed and device.untimed:
        return device.untimed
    if claim.needs and not set(matrix.isas[claim.needs].flags) <= device.flags:
        return f"this CPU does not have {matrix.isas[claim.needs].title}"
    if claim.metric in ACCURACY and device.weights == "probe":
        return (
            "no ImageNet weights: that INT8 keeps most of their accuracy was a criterion in choosing the "
            "probe weights, so they cannot decide it (use --weights and --dataset)"
        )
    return ""


def judge_all(
    file: ClaimFile, results: Results, device: DeviceUnderTest, profile: str
) -> tuple[JudgedClaim, ...]:
    """Judge every claim, in the file's order."""
    return tuple(
        judge_claim(name, claim, file.tolerances[claim.tolerance], results, device, profile)
        for name, claim in file.claims.items()
    )


def judge_claim(
    name: str, claim: Claim, tolerance: Tolerance, results: Results, device: DeviceUnderTest, profile: str
) -> JudgedClaim:
    """Judge one claim by what `results` hold."""
    own = device.own and device.platform in claim.platforms and not _capped(claim, device, results.matrix)
    direction = claim.expect == "near" and claim.metric != "size" and not own
    bounds = accepted(claim, tolerance, direction=direction)
    compared = tuple(
        _compare(claim, group, bounds, results, profile)
        for group in catalogue.comparisons(claim, results.matrix)
    )
    why = obstacle(claim, device, results.matrix)
    if why and claim.metric not in ACCURACY:  # an estimate of another device would only mislead
        compared = tuple(Compared(one.label, "", None, MISSING, why) for one in compared)
    usable = [one for one in compared if one.estimate]
    verdict, decisive = (NOT_TESTABLE, None) if not usable else _VERDICTS[claim.of](claim, bounds, compared)
    told = tell.explain(decisive, compared)
    if why:
        verdict, told = NOT_TESTABLE, why
    return JudgedClaim(
        name,
        claim,
        tolerance,
        verdict,
        _scope(claim, own, direction) if verdict != NOT_TESTABLE else "",
        direction,
        bounds,
        decisive.estimate if decisive else None,
        told,
        compared,
    )


def accepted(claim: Claim, tolerance: Tolerance, *, direction: bool) -> tuple[float, float]:
    """Return the bounds within which an estimate's interval must lie; of a `direction`, above 1 or below."""
    value, margin = claim.value, catalogue.margin(claim, tolerance)
    if direction:
        return (1.0, math.inf) if value > 1 else (-math.inf, 1.0)
    low = -math.inf if claim.expect == "below" else value - margin
    high = math.inf if claim.expect == "above" else value + margin
    return low, high


def _capped(claim: Claim, device: DeviceUnderTest, matrix: Matrix) -> bool:
    """Whether the claim's cells stand in for another CPU: kernels capped below what the device has."""
    wanted = {*claim.isas, *claim.against.isas} - {NATIVE, matrix.platforms[device.platform].isa}
    return bool(wanted)


def _scope(claim: Claim, own: bool, direction: bool) -> str:
    if claim.metric == "size":
        return "on any device"
    if own:
        return "on the paper's device"
    return "direction only, on this device" if direction else "on this device"


def state(found: Estimate, bounds: tuple[float, float]) -> str:
    """Return whether the estimate's whole interval lies within the bounds, without, or neither."""
    if found.low is None or found.high is None:
        return OPEN
    if bounds[0] < found.low and found.high < bounds[1]:
        return HOLDS
    return CONTRADICTS if found.high <= bounds[0] or found.low >= bounds[1] else OPEN


def _compare(
    claim: Claim, group: tuple[Want, ...], bounds: tuple[float, float], results: Results, profile: str
) -> Compared:
    matrix = results.matrix
    batches = [batch_of(one, matrix, results.platform) for one in group]
    label = tell.label(claim, group, matrix, batches)
    found = results.find(catalogue.cells(claim, group))
    if isinstance(found, str):
        return Compared(label, "", None, MISSING, found)
    run, cells = found
    told = estimate(claim, group, cells, matrix, profile)
    if isinstance(told, str):
        return Compared(label, run.name, None, MISSING, told)
    where = state(told, bounds)
    reason = "one round has no interval" if told.low is None else ""
    return Compared(label, run.name, told, where, reason)


def _every(
    claim: Claim, bounds: tuple[float, float], compared: Sequence[Compared]
) -> tuple[str, Compared | None]:
    """Each comparison must hold; one that contradicts is enough against it."""
    rank = (CONTRADICTS, OPEN, HOLDS)
    usable = [one for one in compared if one.estimate]
    decisive = min(usable, key=lambda one: (rank.index(one.state), _room(one, bounds)))
    if decisive.state == CONTRADICTS:
        return NOT_REPRODUCED, decisive
    whole = decisive.state == HOLDS and len(usable) == len(compared)
    return (REPRODUCED if whole else UNDECIDED), decisive


def _room(one: Compared, bounds: tuple[float, float]) -> float:
    """How far the estimate lies within the nearer bound; negative without."""
    assert one.estimate
    return min(one.estimate.value - bounds[0], bounds[1] - one.estimate.value)


def _extreme(
    claim: Claim, bounds: tuple[float, float], compared: Sequence[Compared]
) -> tuple[str, Compared | None]:
    """The largest (or smallest) estimate decides; what was not measured could only be more extreme."""
    sign = 1 if claim.of == "largest" else -1
    usable = [one for one in compared if one.estimate]
    decisive = max(usable, key=lambda one: sign * one.estimate.value if one.estimate else 0.0)
    assert decisive.estimate
    outward = bounds[1] if sign > 0 else -bounds[0]
    beyond = sign * decisive.estimate.value >= outward
    if decisive.state == HOLDS and (len(usable) == len(compared) or math.isinf(outward)):
        return REPRODUCED, decisive
    if decisive.state == CONTRADICTS and (len(usable) == len(compared) or beyond):
        return NOT_REPRODUCED, decisive
    return UNDECIDED, decisive


_VERDICTS = {"every": _every, "trend": _every, "largest": _extreme, "smallest": _extreme}
