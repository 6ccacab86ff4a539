"""Canonical model -> ONNX: FP32, INT8-DQ and INT8-SQ by ONNX Runtime's quantizer (paper, section III-B-3)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.convert.formats import Format
from bench.data.listing import CALIBRATION_IMAGES
from bench.store.recipes import Parameter

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from bench.convert.original import Original

_BATCH = 4  # calibration images at a time; 8 are no faster
FORMAT = Format(
    packages=("onnxruntime", "onnx", "torch"),
    methods={
        "FP32": {"opset": 17},
        "INT8-DQ": {"opset": 17, "weights": "QUInt8", "per_channel": True},
        "INT8-SQ": {
            "opset": 17,
            "format": "QDQ",
            "activations": "QUInt8",
            "weights": "QInt8",
            "per_channel": True,
            "calibrate": "MinMax",
            "calibration_samples": CALIBRATION_IMAGES,
        },
    },
)


def convert(original: Original, method: str, parameters: Mapping[str, Parameter], directory: Path) -> None:
    """Write model.onnx (input "input" float32 (batch, 3, 224, 224), output "logits") into `directory`."""
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_dynamic,
        quantize_static,
    )

    target = directory / "model.onnx"
    exported = export(original, int(parameters["opset"]))
    if method == "FP32":
        target.write_bytes(exported.read_bytes())
    elif method == "INT8-DQ":
        quantize_dynamic(
            _preprocessed(exported),
            target,
            op_types_to_quantize=["Conv", "Gemm", "MatMul"],
            per_channel=parameters["per_channel"],
            weight_type=QuantType[str(parameters["weights"])],
        )
    else:
        images = original.calibration[: int(parameters["calibration_samples"])]
        quantize_static(
            _preprocessed(exported),
            target,
            _reader(images),
            quant_format=QuantFormat[str(parameters["format"])],
            activation_type=QuantType[str(parameters["activations"])],
            weight_type=QuantType[str(parameters["weights"])],
            per_channel=parameters["per_channel"],
            calibrate_method=CalibrationMethod[str(parameters["calibrate"])],
        )


@functools.cache
def export(original: Original, opset: int) -> Path:
    """Export the canonical model once, batch axis free; batch norm is folded by the exporter.

    A published model is ONNX already, and only brought up to date.
    """
    path = original.scratch / f"{original.model}-{opset}.onnx"
    if original.published:
        from bench.convert import zoo_onnx

        zoo_onnx.modernise(original.published, path, opset)
        return path
    import torch

    torch.onnx.export(
        original.module,
        (torch.from_numpy(original.calibration[:1].copy()),),
        str(path),
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
        opset_version=opset,
        dynamo=False,
    )
    return path


@functools.cache
def _preprocessed(exported: Path) -> Path:
    """Shapes inferred and graph optimised: without it the quantizer misses fusions and runs slower."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    path = exported.with_suffix(".pre.onnx")
    quant_pre_process(exported, path)
    return path


def _reader(images: npt.NDArray[np.float32]) -> Any:
    """Feed images (N, 3, 224, 224) a few at a time: the ranges are those of all, whatever the batch."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches = (images[start : start + _BATCH] for start in range(0, len(images), _BATCH))

        def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
            batch = next(self._batches, None)
            return None if batch is None else {"input": batch}

    return Reader()


def runner(directory: Path) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    """Load an artifact; returns a function from images (N, 3, 224, 224) to logits (N, 1000)."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(directory / "model.onnx"), providers=["CPUExecutionProvider"])

    def run(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        found: npt.NDArray[np.float32] = session.run(None, {"input": np.ascontiguousarray(images)})[0]
        return found

    return run
