"""How long launches will take, and which cells would take too long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from bench.plan.prediction import Speed, cell_seconds, judging_seconds
from images.choosing.groups import Group
from images.running.launches import Launch

LAUNCH_SECONDS = 2.5  # start of an interpreter, a framework and a container


def seconds(launches: Iterable[Launch], speeds: Mapping[Group, Speed], *, apart: bool) -> list[float]:
    """Predicted seconds of each launch: the artifact is loaded once, then each cell in turn.

    `apart`: accuracy is a launch of its own (round 0), else a part of the first round.
    """
    predicted = []
    for launch in launches:
        speed, own = speeds[launch.group], 0.0
        for one in launch.cells:
            if launch.round:
                own += cell_seconds(one.cell.batch, one.asked, speed)
            if launch.round == (0 if apart else 1):
                own += judging_seconds(one.cell.batch, one.asked, speed)
        predicted.append(LAUNCH_SECONDS + speed.load_seconds + own)
    return predicted


def within(
    launches: Iterable[Launch], speeds: Mapping[Group, Speed], limit: float, *, emulated: bool = False
) -> tuple[list[Launch], list[dict[str, str]]]:
    """Drop the cells one round of which is predicted to take over `limit` seconds (0: none).

    Judged without the accuracy run. Returns the launches that remain, and the dropped
    cells with the reason, in which an emulated speed is not told.
    """
    kept, dropped = [], {}
    for launch in launches:
        speed, cells = speeds[launch.group], []
        for one in launch.cells:
            predicted = cell_seconds(one.cell.batch, one.asked, speed)
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
