"""Quantization methods: which framework has which (Table III of the paper), with what parameters.

Pure data, importable without any framework: `bench.store.artifacts` builds recipe keys from it on the host.
Each framework's module beside this one turns the canonical FP32 model into artifacts with these
parameters; a recipe may override a parameter by name (for instance ``format = "QOperator"``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Union

Parameter = Union[str, int, float, bool]

#: (framework, method) -> parameters of the method, in the framework's own terms. MLPerf's list of images for
#: calibration has 500; a dataset with fewer gives all it has, and the artifact says how many that was.
METHODS: Mapping[tuple[str, str], Mapping[str, Parameter]] = {
    ("pytorch", "FP32"): {"memory_format": "channels_last"},
    ("pytorch", "INT8-SQ"): {"mode": "fx", "calibration_samples": 500},
    ("tflite", "FP32"): {},
    ("tflite", "INT8-DQ"): {"per_channel_dense": False},
    ("tflite", "INT8-SQ"): {"calibration_samples": 500, "io": "float32", "per_channel_dense": False},
    ("tflite", "FP16"): {},
    ("tflite", "INT16x8"): {"calibration_samples": 500, "io": "float32", "per_channel_dense": False},
    ("onnxruntime", "FP32"): {"opset": 17},
    ("onnxruntime", "INT8-DQ"): {"opset": 17, "weights": "QUInt8", "per_channel": True},
    ("onnxruntime", "INT8-SQ"): {
        "opset": 17,
        "format": "QDQ",
        "activations": "QUInt8",
        "weights": "QInt8",
        "per_channel": True,
        "calibrate": "MinMax",
        "calibration_samples": 500,
    },
    ("openvino", "FP32"): {"opset": 17},
    ("openvino", "INT8-OM"): {
        "opset": 17,
        "preset": "mixed",
        "fast_bias_correction": True,
        "calibration_samples": 500,
    },
}

#: Methods whose artifact depends on the architecture that runs it, with the parameter it decides.
PER_ARCH: Mapping[tuple[str, str], Mapping[str, Mapping[str, Parameter]]] = {
    ("pytorch", "INT8-SQ"): {"amd64": {"engine": "x86"}, "arm64": {"engine": "qnnpack"}},
}


def parameters(framework: str, method: str, arch: str) -> dict[str, Parameter]:
    """Return the parameters of a method on `arch` ("any" where the artifact serves all)."""
    own = PER_ARCH.get((framework, method), {})
    return {**METHODS[(framework, method)], **own.get(arch, {})}
