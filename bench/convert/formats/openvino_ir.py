"""Canonical model -> OpenVINO IR: FP32, and INT8-OM by NNCF (paper, section III-B-4).

The paper goes through ONNX and the Post-training Optimization Tool; NNCF is that tool's successor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench.convert.formats import Format
from bench.convert.formats.onnx import export
from bench.data.listing import CALIBRATION_IMAGES
from bench.store.recipes import Parameter

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from bench.convert.original import Original

FORMAT = Format(
    packages=("openvino", "nncf", "onnx", "torch"),
    methods={
        "FP32": {"opset": 17},
        "INT8-OM": {
            "opset": 17,
            "preset": "mixed",
            "fast_bias_correction": True,
            "calibration_samples": CALIBRATION_IMAGES,
        },
    },
    sources=("convert/formats/onnx.py",),
)


def convert(original: Original, method: str, parameters: Mapping[str, Parameter], directory: Path) -> None:
    """Write model.xml and model.bin (batch axis free) into `directory`."""
    import nncf
    import openvino

    model = openvino.convert_model(str(export(original, int(parameters["opset"]))))
    if method == "INT8-OM":
        images = original.calibration[: int(parameters["calibration_samples"])]
        model = nncf.quantize(
            model,
            nncf.Dataset([image[None] for image in images]),
            preset=nncf.QuantizationPreset(parameters["preset"]),
            subset_size=len(images),
            fast_bias_correction=parameters["fast_bias_correction"],
        )
    openvino.save_model(model, directory / "model.xml", compress_to_fp16=False)


def runner(directory: Path) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    """Load an artifact; returns a function from images (N, 3, 224, 224) to logits (N, 1000).

    FP32 stays FP32, never bf16.
    """
    import numpy as np
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(directory / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        found: npt.NDArray[np.float32] = compiled(np.ascontiguousarray(images))[0].copy()
        return found

    return run
