"""Keras Applications' own models for TFLite, as the paper took them (section III-B-2).

Each model wants its pixels in a way of its own. The kit's arrays are normalised once, for all; so the
graph begins with the step from that to what the model was trained on, taken from Keras' own preprocessing.
"""

from __future__ import annotations

import functools
import importlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from bench.common.errors import ArtifactError
from bench.convert.publishers import KERAS
from bench.data.arrays import MEAN, STD

PACKAGES = ("tensorflow-cpu", "keras")
_FP32 = npt.NDArray[np.float32]


def save(model: str, path: Path, side: int, directory: Path) -> None:
    """Write the published model as a SavedModel without its softmax.

    "input" float32 NHWC (None, side, side, 3), normalised by the paper's mean and deviation -> "logits"
    (None, 1000). ArtifactError for weights that do not fit.
    """
    network = _load(model, path)
    scale, shift, reverse = adapter(model)
    if reverse:  # red and blue change places in the first kernel: exact, and no operator at run time
        first = next(layer for layer in network.layers if hasattr(layer, "kernel"))
        first.kernel.assign(first.kernel.numpy()[:, :, ::-1, :])
    for layer in network.layers:
        if type(layer).__name__ == "Flatten":  # Keras' computes the shape at run time, off the delegate
            layer.call = functools.partial(tf.reshape, shape=[-1, layer.output.shape[1]])

    def run(images: Any) -> dict[str, Any]:
        if not (np.all(scale == 1) and np.all(shift == 0)):
            images = images * scale + shift
        return {"logits": network(images, training=False)}

    root = tf.Module()
    root.weights = [variable.value for variable in network.variables]  # TensorFlow's own, inside Keras'
    root.serve = tf.function(
        run, input_signature=[tf.TensorSpec([None, side, side, 3], tf.float32, name="input")]
    )
    unfinished = directory.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    tf.saved_model.save(root, str(unfinished), signatures=root.serve.get_concrete_function())
    unfinished.rename(directory)


def note(model: str) -> str:
    """What an artifact made from the published model says of itself."""
    scale, shift, reverse = adapter(model)
    gain, offset = ([round(float(value), 6) for value in row] for row in (scale, shift))
    order = ", then BGR" if reverse else ""
    return f"Keras Applications' model; its input is made of the normalised one: x * {gain} + {offset}{order}"


def adapter(model: str) -> tuple[_FP32, _FP32, bool]:
    """Return (scale, shift, reverse): Keras' preprocessing of pixels, as a map of normalised RGB values.

    Per channel, float32 (3,), in RGB order; `reverse` says that the model reads BGR. Keras' function is
    probed on black and on one white channel at a time, so its constants are Keras' and not ours.
    """
    preprocess = _module(model).preprocess_input
    black = preprocess(np.zeros((1, 1, 3), np.float64))[0, 0]
    matrix = np.stack([preprocess(255 * np.eye(3)[c].reshape(1, 1, 3))[0, 0] - black for c in range(3)], 1)
    reverse = bool(matrix[0, 0] == 0)  # rows are what comes out, columns the pixel's R, G, B
    if reverse:
        matrix, black = matrix[::-1], black[::-1]
    gain = np.diag(matrix)
    if np.count_nonzero(matrix) != 3 or not gain.all():
        raise ArtifactError(f"Keras' preprocessing of {model} mixes channels: {matrix.tolist()}")
    scale, shift = gain * STD, gain * MEAN + black
    return _snap(scale, 1.0), _snap(shift, 0.0), reverse


def _snap(values: npt.NDArray[np.float64], neutral: float) -> _FP32:
    """Rounding makes 1.0000001 of a step that changes nothing."""
    near = np.isclose(values, neutral, rtol=0, atol=1e-6)
    return np.where(near, neutral, values).astype(np.float32)


def logits(model: str, path: Path, images: _FP32) -> _FP32:
    """Logits (N, 1000) of the published model, run by Keras on pixels prepared by Keras.

    `images` (N, 3, H, W) are normalised as everywhere; nothing of `function` is used here.
    """
    network = _load(model, path)
    mean, std = np.array(MEAN, np.float32), np.array(STD, np.float32)
    pixels = 255 * (images.transpose(0, 2, 3, 1) * std + mean)
    rows = [network(_module(model).preprocess_input(pixel[None]), training=False).numpy() for pixel in pixels]
    found: _FP32 = np.concatenate(rows)
    return found


def _module(model: str) -> Any:
    build = getattr(importlib.import_module("keras.applications"), KERAS[model])
    return importlib.import_module(build.__module__)


def _load(model: str, path: Path) -> Any:
    """The published network without its softmax, so that its outputs are logits as everywhere."""
    network = getattr(_module(model), KERAS[model])(weights=None, classifier_activation=None)
    try:
        network.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ArtifactError(
            f"not Keras Applications' weights of {model}: {reason}", where=str(path)
        ) from error
    return network
