"""Canonical model -> TorchScript: FP32, and INT8-SQ by FX graph mode (paper, section III-B-1).

The files are saved scripted and not frozen: quantized weights are packed for the engine set at load time,
so freezing belongs to the side that runs them (load, eval, `torch.jit.freeze`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench.common.errors import ArtifactError
from bench.convert.formats import Format
from bench.data.listing import CALIBRATION_IMAGES
from bench.store.recipes import Parameter

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import nn
    from torch.ao.nn.intrinsic import ConvReLU2d
    from torch.ao.quantization.backend_config import BackendConfig

    from bench.convert.original import Original

_BATCH = 8
_CHECKED = 8  # images on which the kernels are held against reference arithmetic
_CORRELATED = 0.5
FORMAT = Format(
    packages=("torch", "torchvision"),
    methods={
        "FP32": {"memory_format": "channels_last"},
        "INT8-SQ": {"mode": "fx", "calibration_samples": CALIBRATION_IMAGES},
    },
    per_arch={"INT8-SQ": {"amd64": {"engine": "x86"}, "arm64": {"engine": "qnnpack"}}},
    alone=True,  # TorchScript numbers the classes of a process: bytes repeat if it traced nothing before
)


def convert(original: Original, method: str, parameters: Mapping[str, Parameter], directory: Path) -> None:
    """Write model.pt into `directory`."""
    import torch

    module = original.module
    if method == "INT8-SQ":
        engine = str(parameters["engine"])
        torch.backends.quantized.engine = engine  # global; decides how weights are packed from here on
        images = original.calibration[: int(parameters["calibration_samples"])]
        module = quantize(module, engine, images)
    example = torch.from_numpy(original.calibration[:2].copy()).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        traced = torch.jit.trace(module, example, check_trace=False)  # the workshop checks the artifact
    path = original.scratch / "traced.pt"
    torch.jit.save(traced, str(path))
    _without_debug_records(path, directory / "model.pt")


def _without_debug_records(saved: Path, target: Path) -> None:
    """Copy a TorchScript file without its debug records: call stacks with this machine's paths."""
    import torch

    reader = torch._C.PyTorchFileReader(str(saved))
    writer = torch._C.PyTorchFileWriter(str(target))
    own = ("version", "byteorder", ".data/serialization_id")  # the writer makes these itself
    for name in reader.get_all_records():
        if name not in own and not name.endswith(".debug_pkl"):
            content = reader.get_record(name)
            writer.write_record(name, content, len(content))
    writer.write_end_of_file()


def quantize(module: nn.Module, engine: str, images: npt.NDArray[np.float32]) -> nn.Module:
    """Static INT8 by FX graph mode: fuse, observe `images` (N, 3, 224, 224), convert for `engine`.

    The engine's own default mapping. x86: per-channel weights, activations in 7 bits, because FBGEMM
    saturates 16-bit sums on CPUs without VNNI and one artifact serves them all; where every CPU has VNNI,
    engine = "onednn" keeps the eighth bit. qnnpack: per-tensor weights, 8-bit activations.
    Raises ArtifactError where the engine's kernels do not compute what was quantized.
    """
    import torch
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, convert_to_reference_fx, prepare_fx

    mapping, backend = get_default_qconfig_mapping(engine), _backend(engine)
    example = (torch.from_numpy(images[:1].copy()),)
    observed = prepare_fx(copy.deepcopy(module).eval(), mapping, example, backend_config=backend)
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            # not channels_last: observers would copy each tensor of that to flatten it, half of their time
            observed(torch.from_numpy(images[start : start + _BATCH].copy()))
    checked = torch.from_numpy(images[:_CHECKED].copy())
    expected = _logits(convert_to_reference_fx(copy.deepcopy(observed), backend_config=backend), checked)
    converted = convert_fx(observed, backend_config=backend).eval()
    found = _logits(converted, checked.contiguous(memory_format=torch.channels_last))
    _check_kernels(engine, found, expected)
    return converted


def _backend(engine: str) -> BackendConfig:
    """How FX fuses for an engine: its default, and for QNNPACK ReLU6 into the convolution before it.

    FX leaves ReLU6 an operator of its own, which QNNPACK computes in `qnnpack_clamp`. That one labels its
    result NCHW whatever its input was (aten/src/ATen/native/quantized/cpu/qclamp.cpp, up to torch 2.13 at
    least; pytorch#46077 mended the other activations), and convolutions hand it channels_last: every value
    behind it stands at another's place, and MobileNetV2 agreed with FP32 on 6 % of images. Fused, the
    convolution's own clamp cuts at zero and the output's largest code at six: the observer sees ReLU6's
    output, and all 256 codes are used. Not so on x86, whose 7-bit range would let through up to twelve.
    """
    from torch import nn
    from torch.ao.nn.intrinsic import ConvReLU2d
    from torch.ao.quantization.backend_config import BackendPatternConfig, get_native_backend_config

    backend = get_native_backend_config()
    if engine == "qnnpack":
        pattern = BackendPatternConfig((nn.Conv2d, nn.BatchNorm2d, nn.ReLU6))
        backend.set_backend_pattern_config(pattern.set_fuser_method(_fuse_relu6).set_fused_module(ConvReLU2d))
    return backend


def _fuse_relu6(_: bool, convolution: nn.Conv2d, norm: nn.BatchNorm2d, relu6: nn.ReLU6) -> ConvReLU2d:
    """Fold the batch norm; the module takes a ReLU only, but runs what stands in its place."""
    from torch import nn
    from torch.ao.nn.intrinsic import ConvReLU2d
    from torch.nn.utils import fuse_conv_bn_eval

    fused = ConvReLU2d(fuse_conv_bn_eval(convolution, norm), nn.ReLU())
    fused[1] = relu6
    return fused


def _logits(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    import torch

    with torch.inference_mode():
        logits: torch.Tensor = module(images)
    return logits


def _check_kernels(engine: str, found: torch.Tensor, expected: torch.Tensor) -> None:
    """Refuse a model that the engine does not compute as FX's reference arithmetic does.

    `found` and `expected` are logits (n, 1000) of the same codes by the one and the other. What varies from
    image to image must correlate: sound kernels, which only round differently, give 0.95 and more
    (MobileNetV2 and DenseNet-121), values at the wrong places 0.0. One image alone does not vary.
    """
    import torch

    if len(found) < 2:
        return
    varying = torch.stack([(logits - logits.mean(0)).flatten() for logits in (found, expected)])
    correlation = float(torch.corrcoef(varying)[0, 1])
    if not correlation > _CORRELATED:
        raise ArtifactError(
            f"{engine}'s kernels do not compute the quantized model: the correlation of their logits with "
            f"those of the reference arithmetic is {correlation:.2f}, expected over {_CORRELATED}"
        )


def runner(directory: Path) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    """Load an artifact; returns a function from images (N, 3, 224, 224) to logits (N, 1000).

    Quantized weights are packed for the engine that `convert` set.
    """
    import torch

    module = torch.jit.load(str(directory / "model.pt")).eval()

    def run(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        batch = torch.from_numpy(images.copy()).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            found: npt.NDArray[np.float32] = module(batch).numpy()
        return found

    return run
