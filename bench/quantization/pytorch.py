"""Canonical model -> TorchScript: FP32, and INT8-SQ by FX graph mode (paper, section III-B-1).

The files are saved scripted and not frozen: quantized weights are packed for the engine set at load time,
so freezing belongs to the side that runs them (load, eval, `torch.jit.freeze`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.ao.quantization import get_default_qconfig_mapping
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

from bench.quantization import Parameter
from bench.quantization.source import Source

_BATCH = 8
PACKAGES = ("torch", "torchvision")


def convert(source: Source, method: str, parameters: Mapping[str, Parameter], directory: Path) -> None:
    """Write model.pt into `directory`."""
    module = source.module
    if method == "INT8-SQ":
        engine = str(parameters["engine"])
        torch.backends.quantized.engine = engine  # global; decides how weights are packed from here on
        images = source.calibration[: int(parameters["calibration_samples"])]
        module = quantize(module, engine, images)
    example = torch.from_numpy(source.calibration[:2].copy()).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        traced = torch.jit.trace(module, example, check_trace=False)  # the workshop checks the artifact
    path = source.scratch / "traced.pt"
    torch.jit.save(traced, str(path))
    _without_debug_records(path, directory / "model.pt")


def _without_debug_records(saved: Path, target: Path) -> None:
    """Copy a TorchScript file without its debug records: call stacks with this machine's paths."""
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
    """
    mapping = get_default_qconfig_mapping(engine)
    example = (torch.from_numpy(images[:1].copy()),)
    observed = prepare_fx(copy.deepcopy(module).eval(), mapping, example)
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            # not channels_last: observers would copy each tensor of that to flatten it, half of their time
            observed(torch.from_numpy(images[start : start + _BATCH].copy()))
    return convert_fx(observed).eval()


def runner(directory: Path) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    """Load an artifact; returns a function from images (N, 3, 224, 224) to logits (N, 1000).

    One made for QNNPACK is packed for oneDNN here: QNNPACK's kernels give wrong outputs on x86 (MobileNetV2:
    top-1 0.11, where oneDNN's and FX's reference arithmetic on the same model give 0.67).
    """
    if torch.backends.quantized.engine == "qnnpack":
        torch.backends.quantized.engine = "onednn"
    module = torch.jit.load(str(directory / "model.pt")).eval()

    def run(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        batch = torch.from_numpy(images.copy()).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            found: npt.NDArray[np.float32] = module(batch).numpy()
        return found

    return run
