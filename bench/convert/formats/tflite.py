"""Canonical model -> TFLite: FP32, INT8-DQ, INT8-SQ, FP16, INT16x8 (paper, section III-B-2).

Models read float32 NHWC and give float32 logits whatever the method, as those of the other frameworks do:
the kernels between are full-integer, and quantizing an image costs microseconds. Every file must load in
tflite-runtime 2.14, which is what a Raspberry Pi gets.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench.convert.formats import Format
from bench.data.listing import CALIBRATION_IMAGES
from bench.store.recipes import Parameter

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from bench.convert.original import Original

FORMAT = Format(
    packages=("tensorflow-cpu", "torch"),
    methods={
        "FP32": {},
        "INT8-DQ": {"per_channel_dense": False},
        "INT8-SQ": {"calibration_samples": CALIBRATION_IMAGES, "io": "float32", "per_channel_dense": False},
        "FP16": {},
        "INT16x8": {"calibration_samples": CALIBRATION_IMAGES, "io": "float32", "per_channel_dense": False},
    },
    sources=("convert/tflite_graph.py",),
)


def convert(original: Original, method: str, parameters: Mapping[str, Parameter], directory: Path) -> None:
    """Write model.tflite (batch axis resizable) into `directory`."""
    import tensorflow as tf

    if method in ("INT8-SQ", "INT16x8"):
        content = _quantized(_calibrated(original, parameters), method, parameters)
    else:
        converter = tf.lite.TFLiteConverter.from_saved_model(str(_saved(original)))
        if method != "FP32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if method == "FP16":
            converter.target_spec.supported_types = [tf.float16]
        if method == "INT8-DQ":
            converter._experimental_disable_per_channel_quantization_for_dense_layers = _dense(parameters)
        content = converter.convert()
    (directory / "model.tflite").write_bytes(content)


def _dense(parameters: Mapping[str, Parameter]) -> bool:
    """Whether dense layers get one scale: with one a channel they are version 12, unknown to 2.14."""
    return not parameters["per_channel_dense"]


def _saved(original: Original) -> Path:
    """The model as a SavedModel, made once. A concrete function would do, but the converter copies its
    constants over and over: VGG-19 in FP32 took 13.6 GB and 110 s, from here 3.8 GB and 40 s.
    """
    path = original.scratch / "saved_model"
    if not path.exists():
        side = original.calibration.shape[-1]
        if original.published:
            from bench.convert import zoo_keras

            zoo_keras.save(original.model, original.published, side, path)
        else:
            from bench.convert.tflite_graph import save

            save(original.module, side, path)
    return path


def _calibrated(original: Original, parameters: Mapping[str, Parameter]) -> bytes:
    """The float model with the range of each tensor, made once for both integer methods.

    Left to itself the converter would calibrate once for INT8 and twice for INT16x8, on one core.
    """
    import tensorflow as tf

    images = original.calibration[: int(parameters["calibration_samples"])]
    path = original.scratch / f"calibrated-{len(images)}.tflite"
    if not path.exists():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(_saved(original)))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = lambda: _nhwc(images)
        converter._experimental_calibrate_only = True
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(converter.convert())
        os.replace(unfinished, path)
    return path.read_bytes()


def _quantized(calibrated: bytes, method: str, parameters: Mapping[str, Parameter]) -> bytes:
    """Quantize by the ranges in the model, as the converter does once it has calibrated."""
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    dense, io = _dense(parameters), tf.dtypes.as_dtype(parameters["io"])
    content: bytes
    if method == "INT8-SQ":
        content = mlir_quantize(
            calibrated, input_data_type=io, output_data_type=io, disable_per_channel_for_dense_layers=dense
        )
    else:
        content = Calibrator(calibrated).calibrate_and_quantize(
            lambda: iter(()),  # nothing more to calibrate on
            input_type=io,
            output_type=io,
            allow_float=False,
            activations_type=tf.int16,
            bias_type=tf.int64,
            disable_per_channel_quantization_for_dense_layers=dense,
        )
    return content


def _nhwc(images: npt.NDArray[np.float32]) -> Iterator[list[npt.NDArray[np.float32]]]:
    import numpy as np

    for image in images:
        yield [np.ascontiguousarray(image.transpose(1, 2, 0)[None])]


def runner(directory: Path) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    """Load an artifact; returns a function from images (N, 3, 224, 224) to logits (N, 1000), one by one."""
    import numpy as np
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(
        str(directory / "model.tflite"), num_threads=len(os.sched_getaffinity(0))
    )
    interpreter.allocate_tensors()
    entry, exit_ = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        found = []
        for [image] in _nhwc(images):
            interpreter.set_tensor(entry, image)
            interpreter.invoke()
            found.append(interpreter.get_tensor(exit_))
        return np.concatenate(found)

    return run
