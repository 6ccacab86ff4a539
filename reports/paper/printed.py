"""What the paper prints and no run can tell: its figures' subjects, and the devices of its Table IV.

Table I is the profile `paper-table1`, Tables II and III are the methods of matrix.toml.
"""

from __future__ import annotations

from dataclasses import dataclass

TABLE1_PROFILE = "paper-table1"


@dataclass(frozen=True)
class PaperFigure:
    """A figure of the paper: `shows` is its caption in brief, `device` where it was measured, `arch` of
    that device ("" for any); models and frameworks in the order of its panels, names as in matrix.toml."""

    number: int
    title: str
    shows: str
    device: str
    arch: str
    models: tuple[str, ...]
    frameworks: tuple[str, ...] = ("pytorch", "tflite", "onnxruntime", "openvino")
    sweep: str = ""


_FRONTERA, _PI = "TACC Frontera (Xeon Platinum 8280)", "a Raspberry Pi 4B"
_SCENARIOS = "Single-stream, multi-stream and offline"

FIGURES = (
    PaperFigure(
        1,
        "Model size and accuracy",
        "Size as bars and ImageNet top-1 as a line for three models in every framework and method",
        "",
        "",
        ("vgg19", "mobilenet_v2", "densenet121"),
    ),
    PaperFigure(
        2,
        "MobileNetV2 on x86",
        f"{_SCENARIOS} for all four frameworks",
        _FRONTERA,
        "amd64",
        ("mobilenet_v2",),
    ),
    PaperFigure(
        3,
        "MobileNetV2 on the Raspberry Pi",
        f"{_SCENARIOS} for ONNX, PyTorch and TFLite",
        _PI,
        "arm64",
        ("mobilenet_v2",),
        ("pytorch", "tflite", "onnxruntime"),
    ),
    PaperFigure(
        4,
        "VGG-19 and DenseNet-121 on x86",
        f"{_SCENARIOS} for OpenVINO and PyTorch, speedup over FP32 as diamonds",
        _FRONTERA,
        "amd64",
        ("vgg19", "densenet121"),
        ("openvino", "pytorch"),
    ),
    PaperFigure(
        5,
        "VGG-19 and DenseNet-121 on the Raspberry Pi",
        f"{_SCENARIOS} for TFLite and PyTorch, speedup over FP32 as diamonds",
        _PI,
        "arm64",
        ("vgg19", "densenet121"),
        ("tflite", "pytorch"),
    ),
    PaperFigure(
        6,
        "Batch size in the offline scenario",
        "MobileNetV2 at batch 1 to 32 under ONNX and OpenVINO (TACC Frontera) and TFLite (Raspberry Pi 4B), "
        "speedup over FP32 as a line",
        "",
        "",
        ("mobilenet_v2",),
        ("onnxruntime", "openvino", "tflite"),
        "batch",
    ),
    PaperFigure(
        7,
        "Instruction sets: with and without VNNI",
        f"{_SCENARIOS} for MobileNetV2 under OpenVINO on two machines: Cascade Lake, which has VNNI, and "
        "Skylake, which has not; speedup over FP32 as diamonds",
        "",
        "amd64",
        ("mobilenet_v2",),
        ("openvino",),
        "isa",
    ),
)

#: Table IV, by platform of matrix.toml: family, model, clock, sockets, cores a socket, memory.
HARDWARE = {
    "rpi4": ("Raspberry Pi 4B", "Cortex-A72 (ARMv8)", "Broadcom BCM2711", "1.5 GHz", "1", "4", "8 GB"),
    "frontera": ("Frontera", "Xeon Cascade Lake", "Platinum 8280", "2.7 GHz", "2", "28", "192 GB"),
    "ri2": ("RI2", "Xeon Skylake", "Gold 6132", "2.6 GHz", "2", "14", "192 GB"),
}
