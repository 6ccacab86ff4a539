"""How long a cell will take: from a measured speed where there is one, else from the model's size.

The same arithmetic that bench/measure/cell_run.py follows: warm-up and calibration, LoadGen's minimum counts
and durations, and in the first round the comparison with the reference and the accuracy run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bench.data.dataset import REFERENCE_IMAGES
from bench.measure.limits import AGREEMENT_SHARE, affordable
from bench.plan.matrix import Matrix
from images.choosing.asking import Asked
from images.choosing.groups import Group
from images.running.launches import Launch

LAUNCH_SECONDS = 2.5  # start of an interpreter, a framework and a container
CELL_SECONDS = 0.5  # compiling for the scenario, evidence, logs
GUESSED_GMACS_PER_CORE_SECOND = 15.0  # FP32 MobileNetV2 on one AVX-512 core: order of magnitude only
EMULATED_GMACS_PER_CORE_SECOND = 0.1  # the same under QEMU, which computes floats in software
CALIBRATION_CALLS = 4  # warm-up and timed calls of a slow model


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


def cell_seconds(batch: int, asked: Asked, speed: Speed, number: int) -> float:
    """Predicted seconds of one cell in round `number`; `asked` is what LoadGen is asked."""
    sample = speed.seconds_per_sample
    call = batch * sample
    query = sample * max(1, asked.samples_per_query)
    timed = max(asked.min_duration, asked.min_queries * query)
    if asked.max_duration:
        timed = min(timed, asked.max_duration)
    timed = max(timed, call)  # one batch or query is issued whatever the limit
    calibration = min(CALIBRATION_CALLS * call, 0.6 + 2 * call)
    total: float = CELL_SECONDS + calibration + timed
    if number == 1:
        limit = asked.accuracy_limit
        if not speed.emulated:  # emulated cells compare what LoadGen got: bench/measure/replay.py
            total += sample * affordable(REFERENCE_IMAGES, sample, AGREEMENT_SHARE * limit)
        total += sample * affordable(asked.accuracy_samples, sample, limit)
    return total


def seconds(launches: Iterable[Launch], speeds: Mapping[Group, Speed]) -> list[float]:
    """Predicted seconds of each launch: the artifact is loaded once, then each cell in turn."""
    predicted = []
    for launch in launches:
        speed = speeds[launch.group]
        own = sum(cell_seconds(one.cell.batch, one.asked, speed, launch.round) for one in launch.cells)
        predicted.append(LAUNCH_SECONDS + speed.load_seconds + own)
    return predicted


def within(
    launches: Iterable[Launch], speeds: Mapping[Group, Speed], limit: float, *, emulated: bool = False
) -> tuple[list[Launch], list[dict[str, str]]]:
    """Drop the cells one round of which is predicted to take over `limit` seconds (0: none).

    Judged without the first round's accuracy run. Returns the launches that remain, and the dropped
    cells with the reason, in which an emulated speed is not told.
    """
    kept, dropped = [], {}
    for launch in launches:
        speed, cells = speeds[launch.group], []
        for one in launch.cells:
            predicted = cell_seconds(one.cell.batch, one.asked, speed, 2)
            if limit and predicted > limit:
                why = f"about {predicted:.0f} s, at {speed.seconds_per_sample:.3g} s a sample"
                dropped[one.id] = (
                    f"one round would take {'too long, emulated' if emulated else why}: "
                    f"over the profile's limit of {limit:g} s; --no-limit measures it"
                )
            else:
                cells.append(one)
        if cells:
            kept.append(replace(launch, cells=tuple(cells)))
    return kept, [{"id": cell_id, "reason": reason} for cell_id, reason in dropped.items()]
