"""Canonical model -> TFLite: FP32, INT8-DQ, INT8-SQ, FP16, INT16x8 (paper, section III-B-2).

Models read float32 NHWC and give float32 logits whatever the method, as those of the other frameworks do:
the kernels between are full-integer, and quantizing an image costs microseconds. Every file must load in
tflite-runtime 2.14, which is what a Raspberry Pi gets.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from bench.quantization import Parameter
from bench.quantization.source import Source
from bench.quantization.tflite_graph import function

PACKAGES = ("tensorflow-cpu", "torch")


def convert(source: Source, method: str, parameters: Mapping[str, Parameter], directory: Path) -> None:
    """Write model.tflite (batch axis resizable) into `directory`."""
    converter = tf.lite.TFLiteConverter.from_concrete_functions([_function(source)])
    if method != "FP32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if method == "FP16":
        converter.target_spec.supported_types = [tf.float16]
    if "per_channel_dense" in parameters:  # per-channel FULLY_CONNECTED is version 12, unknown to 2.14
        converter._experimental_disable_per_channel_quantization_for_dense_layers = not parameters[
            "per_channel_dense"
        ]
    if method in ("INT8-SQ", "INT16x8"):
        images = source.calibration[: int(parameters["calibration_samples"])]
        converter.representative_dataset = lambda: _nhwc(images)
        operators = {
            "INT8-SQ": tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
            "INT16x8": tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
        }
        converter.target_spec.supported_ops = [operators[method]]
    (directory / "model.tflite").write_bytes(converter.convert())


@functools.cache
def _function(source: Source) -> Any:
    return function(source.module, source.calibration.shape[-1])


def _nhwc(images: npt.NDArray[np.float32]) -> Iterator[list[npt.NDArray[np.float32]]]:
    for image in images:
        yield [np.ascontiguousarray(image.transpose(1, 2, 0)[None])]


def logits(directory: Path, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Run an artifact on images (N, 3, 224, 224), one at a time; returns (N, 1000)."""
    interpreter = tf.lite.Interpreter(str(directory / "model.tflite"), num_threads=2)
    interpreter.allocate_tensors()
    entry, exit_ = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    found = []
    for [image] in _nhwc(images):
        interpreter.set_tensor(entry, image)
        interpreter.invoke()
        found.append(interpreter.get_tensor(exit_))
    return np.concatenate(found)
