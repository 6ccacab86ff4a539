"""Predicted durations: in proportion to what was calibrated, capped by the profile, honest about limits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fixtures_results import matrix
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.limits import affordable
from bench.plan.asking import Asking
from bench.plan.cells import Filters, plan
from bench.plan.prediction import Speed, cell_seconds, guess, judging_seconds
from images.choosing.groups import groups
from images.running import predict
from images.running.launches import Launch, Wanted
from images.running.predict import seconds, within

MATRIX = matrix()
ASKING = Asking(MATRIX, MATRIX.profiles["quick"], 512)
PLAN = plan(MATRIX, "host", "quick", "amd64", Filters(("tflite",), ("vgg19",), ("FP32", "INT16x8")))
LAUNCHES = [
    Launch(
        group,
        number,
        tuple(Wanted(cell, "", ASKING.of(cell.scenario)) for cell in group.cells),
    )
    for number in (1, 2, 3)
    for group in groups(PLAN)
]
FAST, SLOW = groups(PLAN)
SPEEDS = {FAST: Speed(1.0, 0.2, measured=True), SLOW: Speed(1.0, 12.0, measured=True)}


@pytest.mark.parametrize("scenario", ["SingleStream", "MultiStream", "Offline"])
def test_a_slower_model_is_never_predicted_faster(scenario: str) -> None:
    asked = ASKING.of(scenario)
    found = [cell_seconds(8, asked, Speed(0.5, 10.0**power, measured=True)) for power in range(-4, 2)]
    assert found == sorted(found)


def test_the_accuracy_run_stays_within_its_limit() -> None:
    asked = ASKING.of("Offline")
    extra = judging_seconds(1, asked, Speed(0.5, 0.5, measured=True))
    assert asked.accuracy_limit / 2 < extra <= asked.accuracy_limit * 1.2


def test_accuracy_is_predicted_once_wherever_it_is_collected() -> None:
    first, second, *_ = [one for one in LAUNCHES if one.group == FAST]
    apart = seconds([first, second, replace(first, round=0)], SPEEDS, apart=True)
    together = seconds([first, second], SPEEDS, apart=False)
    assert apart[0] == apart[1] == together[1]
    loading = apart[2] - (together[0] - together[1])  # of one launch more
    assert loading == pytest.approx(predict.LAUNCH_SECONDS + SPEEDS[FAST].load_seconds)


@given(st.integers(1, 50000), st.floats(1e-4, 60), st.floats(0.1, 1000))
def test_as_many_samples_as_fit_the_limit_are_afforded(samples: int, seconds: float, limit: float) -> None:
    found = affordable(samples, seconds, limit)
    assert 1 <= found <= samples
    assert found == 1 or found * seconds <= limit
    assert found == samples or samples * seconds > limit
    assert affordable(samples, seconds, 0) == samples


def test_cells_over_the_limit_are_left_out_in_every_round_with_the_reason() -> None:
    kept, dropped = within(LAUNCHES, SPEEDS, 60.0)
    left = {row["id"]: row["reason"] for row in dropped}
    slow = {cell.scenario: cell.id for cell in SLOW.cells}
    assert set(left) == {slow["MultiStream"], slow["Offline"]}
    assert "--no-limit" in left[slow["Offline"]]
    assert "60 s" in left[slow["Offline"]]
    assert {one.id for launch in kept for one in launch.cells} == {
        *(cell.id for cell in FAST.cells),
        slow["SingleStream"],
    }
    assert len(seconds(kept, SPEEDS, apart=True)) == len(kept)


def test_an_emulated_speed_is_not_told() -> None:
    _, dropped = within(LAUNCHES, SPEEDS, 60.0, emulated=True)
    for row in dropped:
        assert row["reason"].startswith("one round would take too long, emulated: over the profile's limit")
    assert dropped


def test_no_limit_leaves_nothing_out() -> None:
    assert within(LAUNCHES, SPEEDS, 0.0) == (LAUNCHES, [])


def test_a_guess_says_that_it_is_one_and_grows_with_the_model() -> None:
    small, large = guess(MATRIX, "mobilenet_v2", 2), guess(MATRIX, "vgg19", 2)
    emulated = guess(MATRIX, "mobilenet_v2", 2, emulated=True)
    assert emulated.seconds_per_sample > 50 * small.seconds_per_sample
    assert not small.measured
    assert large.seconds_per_sample > small.seconds_per_sample
