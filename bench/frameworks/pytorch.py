"""PyTorch: scripted, frozen, inference mode, channels_last.

FP32 goes through optimize_for_inference as well, which keeps activations in oneDNN's own layout: on one
thread 97 ms against 119 ms at batch 8, no difference at batch 1 and 32 (MobileNetV2, minimum of 24).
The quantized engine is chosen before the model is loaded, because packed weights belong to the engine
set at load time: x86 (else fbgemm) on amd64, qnnpack on arm64.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bench.errors import MeasureError
from bench.evidence import Evidence, judge
from bench.frameworks import Options, Runner

if TYPE_CHECKING:
    from bench.frameworks import Array

_ENGINES = {"x86_64": ("x86", "fbgemm"), "aarch64": ("qnnpack",)}


def load(artifact: Path, options: Options) -> Model:
    """Load the scripted module model.pt of the artifact directory and freeze it."""
    return Model(artifact, options)


def _engine(machine: str, supported: list[str]) -> str:
    """The quantized engine of this machine; raises MeasureError where this torch has none of them."""
    for name in _ENGINES.get(machine, ()):
        if name in supported:
            return name
    raise MeasureError(
        f"this torch has no quantized engine for {machine}: it supports {', '.join(supported)}",
        remedy="use a torch build with qnnpack (arm64) or x86/fbgemm (amd64)",
    )


class Model:
    """A scripted module from float32 (batch, 3, H, W) to float32 (batch, classes)."""

    layout = "NHWC"  # channels_last: the same bytes
    warm_calls = 3  # TorchScript profiles the first call and compiles in the second

    def __init__(self, artifact: Path, options: Options) -> None:
        torch.set_num_threads(options.threads)
        self.options = options
        self.engine = ""
        if options.method != "FP32":
            self.engine = _engine(platform.machine(), torch.backends.quantized.supported_engines)
            torch.backends.quantized.engine = self.engine
        try:
            module = torch.jit.load(str(artifact / "model.pt"), map_location="cpu").eval()
            frozen = torch.jit.freeze(module)
            if options.method == "FP32":
                frozen = torch.jit.optimize_for_inference(frozen)
        except RuntimeError as error:
            raise MeasureError(f"PyTorch cannot load the model: {error}") from error
        self.module = frozen

    def compile(self, batch: int, scenario: str) -> Runner:
        """Prepare windows for a batch; TorchScript specializes itself during the warm-up."""
        return _Module(self, batch)


class _Module:
    """Windows of one batch: channels_last tensors that share the store's memory."""

    def __init__(self, model: Model, batch: int) -> None:
        self.batch = batch
        self._model = model
        self._module = model.module
        self._windows: dict[int, Any] = {}

    def bind(self, store: Array, starts: Iterable[int]) -> None:
        tensor = torch.from_numpy(store).permute(0, 3, 1, 2)
        self._windows = {start: tensor[start : start + self.batch] for start in starts}

    def run(self, start: int) -> Array:
        with torch.inference_mode():
            logits = self._module(self._windows[start])
        array: Array = logits.numpy()
        if array.dtype != np.float32:
            raise MeasureError(f"the output is {array.dtype}, expected float32")
        return array

    def evidence(self) -> Evidence:
        """Count the operators of the frozen graph."""
        operators: Counter[str] = Counter(
            node.kind() for node in self._module.inlined_graph.nodes() if node.kind() != "prim::Constant"
        )
        convolutions: Counter[str] = Counter()
        for name, count in operators.items():
            if "conv" in name.split("::")[1]:
                convolutions["u8" if name.startswith("quantized::") else "f32"] += count
        ran = [f"{count} {name}" for name, count in operators.items() if "conv" in name]
        engine = [f"engine {self._model.engine}"] if self._model.engine else []
        facts = {
            "operators": dict(operators.most_common()),
            "engine": self._model.engine or None,
            "mkldnn": torch.backends.mkldnn.is_available(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "threads": torch.get_num_threads(),
        }
        detail = ", ".join([*ran, *engine, str(facts["cpu_capability"])])
        return judge(self._model.options.method, convolutions, detail=detail, facts=facts)
