"""Accuracy from LoadGen's own log, and agreement with the canonical FP32 outputs.

In AccuracyOnly mode the answer of a sample is its five best classes, best first, as int64; LoadGen
writes these bytes to mlperf_log_accuracy.json, and top-1 and top-5 are counted from that file alone.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.common.errors import MeasureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOP = 5
ANSWER_BYTES = TOP * 8


def best(logits: NDArray[np.float32]) -> NDArray[np.int64]:
    """The classes of the five largest logits, best first: (n, classes) -> int64 (n, 5).

    Equal logits go to the lower class, so that the order does not depend on the sort's moods.
    """
    order = np.argsort(-logits, axis=1, kind="stable")
    return np.ascontiguousarray(order[:, :TOP], dtype=np.int64)


def read_log(log: Path) -> list[tuple[int, NDArray[np.int64]]]:
    """Parse mlperf_log_accuracy.json: (sample index, answer int64 (5,)) in the log's order.

    Raises MeasureError for a log cut short or an answer of another size.
    """
    try:
        records = json.loads(log.read_text(encoding="utf-8"))
        answers = [(int(r["qsl_idx"]), np.frombuffer(bytes.fromhex(r["data"]), np.int64)) for r in records]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MeasureError(f"LoadGen's accuracy log is damaged: {error}", where=str(log)) from error
    for index, answer in answers:
        if answer.shape != (TOP,):
            raise MeasureError(
                f"sample {index}: {answer.nbytes} bytes, expected {ANSWER_BYTES}", where=str(log)
            )
    return answers


def read_answers(log: Path) -> dict[int, NDArray[np.int64]]:
    """Return an accuracy run's answers by sample index: int64 (5,).

    Raises MeasureError for a damaged log, or two answers to one sample.
    """
    found: dict[int, NDArray[np.int64]] = {}
    for index, answer in read_log(log):
        if index in found and not np.array_equal(found[index], answer):
            raise MeasureError(f"sample {index} has two different answers", where=str(log))
        found[index] = answer
    return found


def score(log: Path, labels: NDArray[np.int64], samples: int) -> dict[str, Any]:
    """Judge LoadGen's log: {"samples", "top1_correct", "top5_correct", "top1_correct_bits"}.

    The bits are one a sample, 0..samples-1, first sample highest, in hex: with them two methods can be
    compared sample by sample. `labels` are int64 (N,); raises MeasureError unless the log answers
    exactly samples 0..samples-1.
    """
    answers = read_answers(log)
    if sorted(answers) != list(range(samples)):
        raise MeasureError(f"LoadGen logged {len(answers)} samples, expected {samples}", where=str(log))
    answered = np.array([answers[index] for index in range(samples)]).reshape(samples, TOP)
    right = answered == labels[:samples, None]
    return {
        "samples": samples,
        "top1_correct": int(right[:, 0].sum()),
        "top5_correct": int(right.any(axis=1).sum()),
        "top1_correct_bits": np.packbits(right[:, 0]).tobytes().hex(),
    }


def agreement(
    logits: NDArray[np.float32], reference: NDArray[np.float32], classes: NDArray[np.int64]
) -> dict[str, Any]:
    """Compare logits with the reference, both (n, all classes): the result file's `agreement`.

    Cosine, SQNR and KL are taken over the dataset's `classes`, int64 (k,), after each image's mean logit over
    them is taken away: what is common to all classes decides nothing, and what a fitted head is silent about
    would be most of the vector. SQNR is 10 log10(sum ref^2 / sum (ref - x)^2) in dB over all samples, null
    when they are identical; KL is sum p log(p / q) in nats, p and q the softmax of reference and logits.
    Largest difference, first choice and SHA-256 (little-endian float32 bytes: two measurements with one hash
    had the same outputs, bit for bit) are of all logits.
    Raises MeasureError for other shapes or a logit that is not finite.
    """
    if logits.shape != reference.shape:
        raise MeasureError(f"logits are {logits.shape}, the reference is {reference.shape}")
    if not np.isfinite(logits).all():
        raise MeasureError(f"{int((~np.isfinite(logits)).sum())} of {logits.size} logits are not finite")
    all_ours, all_theirs = logits.astype(np.float64), reference.astype(np.float64)
    ours, theirs = (_centred(one[:, classes]) for one in (all_ours, all_theirs))
    noise, signal = float(((ours - theirs) ** 2).sum()), float((theirs**2).sum())
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    cosine = (ours * theirs).sum(axis=1) / np.maximum(norms, np.finfo(np.float64).tiny)
    log_p, log_q = _log_softmax(theirs), _log_softmax(ours)
    divergence = np.maximum((np.exp(log_p) * (log_p - log_q)).sum(axis=1), 0.0)
    return {
        "samples": len(ours),
        "classes": len(classes),
        "max_abs_diff": float(np.abs(all_ours - all_theirs).max()),
        "mean_cosine": float(cosine.mean()),
        "worst_cosine": float(cosine.min()),
        "mean_kl": float(divergence.mean()),
        "worst_kl": float(divergence.max()),
        "top1_agreement": float((all_ours.argmax(axis=1) == all_theirs.argmax(axis=1)).mean()),
        "sqnr_db": 10 * float(np.log10(signal / noise)) if noise and signal else None,
        "logits_sha256": hashlib.sha256(logits.astype("<f4").tobytes()).hexdigest(),
    }


def _centred(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = logits - logits.mean(axis=1, keepdims=True)
    return found


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    found: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found
