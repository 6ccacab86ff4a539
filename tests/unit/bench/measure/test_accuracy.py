"""Accuracy from LoadGen's log, and agreement of logits with the reference."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.common.errors import MeasureError
from bench.measure import accuracy


def write_log(path: Path, answers: list[tuple[int, list[int]]]) -> Path:
    records: list[dict[str, Any]] = [
        {"seq_id": n, "qsl_idx": index, "data": np.array(best, np.int64).tobytes().hex().upper()}
        for n, (index, best) in enumerate(answers)
    ]
    path.write_text(json.dumps(records))
    return path


def test_best_is_sorted_and_stable() -> None:
    logits = np.array([[0, 3, 1, 3, 2, -1, 5], [1, 1, 1, 1, 1, 1, 1]], np.float32)
    found = accuracy.best(logits)
    assert found.tolist() == [[6, 1, 3, 4, 2], [0, 1, 2, 3, 4]]
    assert found.dtype == np.int64
    assert found.flags.c_contiguous


def test_counts_come_from_the_log(tmp_path: Path) -> None:
    log = write_log(tmp_path / "a.json", [(1, [7, 1, 2, 3, 4]), (0, [5, 6, 7, 8, 9]), (2, [0, 1, 2, 3, 4])])
    labels = np.array([9, 7, 8], np.int64)
    assert accuracy.score(log, labels, 3) == {
        "samples": 3,
        "top1_correct": 1,
        "top5_correct": 2,
        "top1_correct_bits": "40",
    }


@given(st.lists(st.booleans(), max_size=40))
def test_the_bits_say_which_samples_were_right(right: list[bool]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        answers = [(index, [int(one), 2, 3, 4, 5]) for index, one in enumerate(right)]
        log = write_log(Path(folder) / "a.json", answers[::-1])
        found = accuracy.score(log, np.ones(60, np.int64), len(right))
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(found["top1_correct_bits"]), np.uint8))
    assert bits[: len(right)].tolist() == right
    assert not bits[len(right) :].any()
    assert len(bits) == -(-len(right) // 8) * 8
    assert found["top1_correct"] == found["top5_correct"] == sum(right)


def test_missing_samples_are_an_error(tmp_path: Path) -> None:
    log = write_log(tmp_path / "a.json", [(0, [0, 1, 2, 3, 4])])
    with pytest.raises(MeasureError, match="1 samples, expected 2"):
        accuracy.score(log, np.zeros(2, np.int64), 2)


def test_a_sample_twice_must_agree(tmp_path: Path) -> None:
    same, other = (0, [0, 1, 2, 3, 4]), (0, [1, 0, 2, 3, 4])
    assert len(accuracy.read_answers(write_log(tmp_path / "a.json", [same, same]))) == 1
    with pytest.raises(MeasureError, match="two different answers"):
        accuracy.read_answers(write_log(tmp_path / "b.json", [same, other]))


@pytest.mark.parametrize("text", ["", "[{", '[{"qsl_idx": 0}]', '[{"qsl_idx": 0, "data": "xy"}]'])
def test_a_damaged_log_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(MeasureError, match="accuracy log is damaged"):
        accuracy.read_answers(path)


def test_an_answer_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="16 bytes, expected 40"):
        accuracy.read_answers(write_log(tmp_path / "a.json", [(0, [1, 2])]))


def test_identical_logits_agree_wholly() -> None:
    logits = np.random.default_rng(1).normal(size=(4, 10)).astype(np.float32)
    found = accuracy.agreement(logits, logits.copy(), np.arange(10))
    assert found["max_abs_diff"] == 0
    assert found["sqnr_db"] is None
    assert found["top1_agreement"] == 1
    assert math.isclose(found["worst_cosine"], 1)


def test_one_bit_of_one_logit_gives_other_outputs() -> None:
    logits = np.random.default_rng(1).normal(size=(4, 10)).astype(np.float32)
    other = logits.copy()
    other[2, 3] = np.nextafter(other[2, 3], np.float32(9))
    hashes = [
        accuracy.agreement(one, logits, np.arange(10))["logits_sha256"]
        for one in (logits, logits.copy(), other)
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_known_noise_gives_known_decibels() -> None:
    reference = np.array([[3.0, 4.0, -7.0, 99.0]], np.float32)
    found = accuracy.agreement(np.array([[4.0, 4.5, -7.0, 0.0]], np.float32), reference, np.arange(3))
    ours = np.array([4.0, 4.5, -7.0]) - 0.5  # the mean over the three classes; the fourth is none
    assert math.isclose(found["sqnr_db"], 10 * math.log10(74 / (0.5**2 + 0 + 0.5**2)))
    assert found["max_abs_diff"] == 99
    assert math.isclose(found["mean_cosine"], ours @ reference[0, :3] / np.linalg.norm(ours) / math.sqrt(74))
    p, q = (np.exp(one) / np.exp(one).sum() for one in (reference[0, :3].astype(float), ours))
    assert math.isclose(found["mean_kl"], (p * np.log(p / q)).sum())
    assert (found["classes"], found["mean_kl"]) == (3, found["worst_kl"])


def test_answers_shuffled_among_the_classes_are_no_agreement() -> None:
    """A fitted head is silent about 990 of 1,000 classes: they must not be what is compared."""
    draw = np.random.default_rng(3)
    reference = np.full((64, 1000), -9.0, np.float32)
    reference[:, :10] = draw.normal(0, 0.25, (64, 10))
    shuffled = reference.copy()
    shuffled[:, :10] = draw.permuted(reference[:, :10], axis=1)
    found = accuracy.agreement(shuffled, reference, np.arange(10))
    assert abs(found["mean_cosine"]) < 0.3
    assert found["sqnr_db"] < 1
    assert found["mean_kl"] > 0.03


def test_what_all_classes_have_in_common_changes_nothing() -> None:
    reference = np.random.default_rng(5).normal(size=(8, 10)).astype(np.float32)
    found = accuracy.agreement(reference + np.float32(40), reference, np.arange(10))
    assert found["worst_cosine"] > 0.999999
    assert found["worst_kl"] < 1e-6
    assert found["max_abs_diff"] > 39


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_not_finite_fail(bad: float) -> None:
    logits = np.array([[1.0, bad]], np.float32)
    with pytest.raises(MeasureError, match="1 of 2 logits are not finite"):
        accuracy.agreement(logits, np.ones((1, 2), np.float32), np.arange(2))


def test_other_shapes_fail() -> None:
    with pytest.raises(MeasureError, match="the reference is"):
        accuracy.agreement(np.ones((1, 2), np.float32), np.ones((1, 3), np.float32), np.arange(2))


@given(st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3), min_size=1, max_size=5))
def test_agreement_is_always_json(rows: list[list[float]]) -> None:
    logits = np.array(rows, np.float32)
    for other in (np.zeros_like(logits), logits[::-1].copy(), logits):
        json.dumps(accuracy.agreement(logits, other, np.arange(3)), allow_nan=False)
