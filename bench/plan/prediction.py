"""How long a cell will take: from a measured speed where there is one, else from the model's size.

The same arithmetic that bench/measure/cell_run.py follows: warm-up, LoadGen's minimum counts and durations;
once a cell the accuracy run and the comparison with the reference.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.data.dataset import REFERENCE_IMAGES
from bench.measure.limits import AGREEMENT_SHARE, affordable
from bench.plan.asking import Asked
from bench.plan.matrix import Matrix

CELL_SECONDS = 0.5  # compiling for the scenario, evidence, logs
GUESSED_GMACS_PER_CORE_SECOND = 15.0  # FP32 MobileNetV2 on one AVX-512 core: order of magnitude only
EMULATED_GMACS_PER_CORE_SECOND = 0.1  # the same under QEMU, which computes floats in software
WARM_UP_CALLS = 4  # warm-up and timed calls of a slow model


@dataclass(frozen=True)
class Speed:
    """Seconds to load an artifact and to infer one sample at batch 1; `measured` on this machine or not."""

    load_seconds: float
    seconds_per_sample: float
    measured: bool
    emulated: bool = False


def guess(matrix: Matrix, model: str, threads: int, *, emulated: bool = False) -> Speed:
    """A speed from the model's size alone: lets a user see "minutes" against "days"."""
    rate = EMULATED_GMACS_PER_CORE_SECOND if emulated else GUESSED_GMACS_PER_CORE_SECOND
    seconds = matrix.models[model].gmacs / (rate * threads)
    return Speed(0.5, seconds, False, emulated)


def cell_seconds(batch: int, asked: Asked, speed: Speed) -> float:
    """Predicted seconds of one timed round of a cell; `asked` is what LoadGen is asked."""
    sample = speed.seconds_per_sample
    call = batch * sample
    query = sample * max(1, asked.samples_per_query)
    timed = max(asked.min_duration, asked.min_queries * query)
    if asked.max_duration:
        timed = min(timed, asked.max_duration)
    timed = max(timed, call)  # one batch or query is issued whatever the limit
    return float(CELL_SECONDS + _warm_up(call) + timed)


def judging_seconds(batch: int, asked: Asked, speed: Speed) -> float:
    """Predicted seconds of a cell's accuracy run, without one of its comparison with the reference."""
    sample, limit = speed.seconds_per_sample, asked.accuracy_limit
    if samples := affordable(asked.accuracy_samples, sample, limit):
        return CELL_SECONDS + _warm_up(batch * sample) + samples * sample
    compared = affordable(REFERENCE_IMAGES, sample, AGREEMENT_SHARE * limit)
    return CELL_SECONDS + _warm_up(batch * sample) + compared * sample


def _warm_up(call: float) -> float:
    return min(WARM_UP_CALLS * call, 0.6 + 2 * call)
