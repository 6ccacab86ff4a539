"""PyTorch: scripted, frozen, inference mode, channels_last.

FP32 goes through optimize_for_inference as well, which keeps activations in oneDNN's own layout: on one
thread 97 ms against 119 ms at batch 8, no difference at batch 1 and 32 (MobileNetV2, minimum of 24).
The quantized engine is chosen before the model is loaded, because packed weights belong to the engine
set at load time: x86 (else fbgemm) on amd64, qnnpack on arm64. The x86 engine is FBGEMM, but for
convolutions of up to 100 groups it prefers oneDNN where the CPU has VNNI. It asks cpuinfo for that, which
nothing caps, so under a cap without VNNI the fbgemm engine is taken: what x86 is on a CPU without it.
"""

from __future__ import annotations

import ctypes
import functools
import platform
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bench.common.errors import MeasureError
from bench.runtimes.base import Options, Runner
from bench.runtimes.evidence import CONVOLUTION, DENSE, OTHER, Evidence, Layer, judge
from bench.runtimes.isa import LEVELS, Seen, level
from bench.runtimes.verbose import captured, primitives

if TYPE_CHECKING:
    from bench.runtimes.base import Array

_ENGINES = {"x86_64": ("x86", "fbgemm"), "aarch64": ("qnnpack",)}

#: fbgemm::inst_set_t (fbgemm/Utils.h), from 1: avx2, avx512, its 256-bit form, then the same with VNNI.
_FBGEMM = ("avx2", "avx512_core", "avx512_core", "avx512_core_vnni", "avx512_core_vnni")

#: Operators that are no layer, or only convert and move values.
_MOVES = ("quantize_per_tensor", "dequantize", "flatten", "reshape", "view", "permute", "contiguous", "to",
          "to_mkldnn", "to_dense", "dropout", "detach")  # fmt: skip
_DENSE = ("linear", "linear_relu", "matmul", "mm", "addmm")


def load(artifact: Path, options: Options) -> ScriptedModel:
    """Load the scripted module model.pt of the artifact directory and freeze it."""
    return ScriptedModel(artifact, options)


def _engine(machine: str, supported: list[str], fbgemm: str | None) -> str:
    """The quantized engine of this machine, where FBGEMM may use the level `fbgemm` (None: not known).

    Raises MeasureError where this torch has none.
    """
    vnni = fbgemm is None or "vnni" in LEVELS[fbgemm]
    for name in _ENGINES.get(machine, ()):
        if name in supported and (vnni or name != "x86"):
            return name
    raise MeasureError(
        f"this torch has no quantized engine for {machine}: it supports {', '.join(supported)}",
        remedy="use a torch build with qnnpack (arm64) or x86/fbgemm (amd64)",
    )


@functools.cache
def _fbgemm_level() -> str | None:
    """The level FBGEMM takes its kernels from, by its own fbgemm::fbgemmInstructionSet(); None without it."""
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        found = int(library._ZN6fbgemm20fbgemmInstructionSetEv())
    except (OSError, AttributeError):
        return None
    return _FBGEMM[found - 1] if 1 <= found <= len(_FBGEMM) else None


@functools.cache
def _mkl_level() -> str | None:
    """The level of MKL's float kernels, which it prints once a process; None without MKL."""
    lines: list[str] = []
    if torch.backends.mkl.is_available():
        with captured(lines), torch.backends.mkl.verbose(torch.backends.mkl.VERBOSE_ON):
            torch.mm(torch.ones(8, 8), torch.ones(8, 8))
    text = next((line for line in lines if "Vector Extensions" in line), "")
    if "Vector Extensions 512" in text:
        return "avx512_core"
    return "avx2" if "Vector Extensions 2" in text else None


class ScriptedModel:
    """A scripted module from float32 (batch, 3, H, W) to float32 (batch, classes)."""

    layout = "NHWC"  # channels_last: the same bytes
    warm_calls = 3  # TorchScript profiles the first call and compiles in the second

    def __init__(self, artifact: Path, options: Options) -> None:
        torch.set_num_threads(options.threads)
        self.options = options
        self.engine = ""
        if options.method.quantized:
            supported = torch.backends.quantized.supported_engines
            self.engine = _engine(platform.machine(), supported, _fbgemm_level())
            torch.backends.quantized.engine = self.engine
        try:
            module = torch.jit.load(str(artifact / "model.pt"), map_location="cpu").eval()
            frozen = torch.jit.freeze(module)
            if not options.method.quantized:
                frozen = torch.jit.optimize_for_inference(frozen)
        except RuntimeError as error:
            raise MeasureError(f"PyTorch cannot load the model: {error}") from error
        self.module = frozen

    def compile(self, batch: int, scenario: str) -> Runner:
        """Prepare windows for a batch; TorchScript specializes itself during the warm-up."""
        return _Module(self, batch)


class _Module:
    """Windows of one batch: channels_last tensors that share the store's memory."""

    def __init__(self, model: ScriptedModel, batch: int) -> None:
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
        """The operators of the frozen graph, and the kernels of one more inference by oneDNN's own log."""
        layers = list(_layers(self._module.inlined_graph.nodes()))
        names: Counter[str] = Counter(layer.operator for layer in layers)
        log: list[str] = []
        if self._windows and torch.backends.mkldnn.is_available():
            with captured(log), torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
                self.run(next(iter(self._windows)))
        ran = primitives(log, "exec")
        kernels = Counter({f"{one.kind} {one.kernel}": count for one, count in ran.items()})
        facts = {
            "operators": dict(names.most_common()),
            "onednn_kernels": dict(kernels.most_common()),
            "engine": self._model.engine or None,
            "fbgemm": _fbgemm_level() if self._model.engine else None,
            "mkl": _mkl_level(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "threads": torch.get_num_threads(),
        }
        said = [f"{count} {name}" for name, count in names.items() if "conv" in name]
        logged = sum(count for one, count in ran.items() if one.kind == "convolution")
        said += [f"{logged} convolutions in oneDNN"] if logged else []
        said += [f"engine {self._model.engine}"] if self._model.engine else []
        seen = _seen(self._model.options.isa, layers, ran, self._model.engine)
        return judge(self._model.options.method, layers, seen, detail=", ".join(said), facts=facts)


def _layers(nodes: Iterable[Any]) -> Iterator[Layer]:
    """The operators that compute; one that takes quantized values computes in them ("u8")."""
    quantized: set[str] = set()
    for node in nodes:
        space, _, name = node.kind().partition("::")
        inputs = [value.debugName() for value in node.inputs()]
        if name.startswith("quantize_per") or space == "quantized":
            integers = True
        else:
            integers = name != "dequantize" and any(value in quantized for value in inputs)
        if integers:
            quantized.update(value.debugName() for value in node.outputs())
        kind = CONVOLUTION if "conv" in name else DENSE if name in _DENSE else OTHER
        computes = space in ("aten", "quantized") or name.startswith(("mkldnn", "MKLDNN"))
        if not any("Tensor" in str(value.type()) for value in node.outputs()):
            continue  # sizes, assertions
        if computes and name not in _MOVES:
            yield Layer(kind, node.kind(), "u8" if integers else "f32")


def _seen(asked: str, layers: list[Layer], ran: Counter[Any], engine: str) -> Seen:
    """Who computed the layers: oneDNN by its log, what is not in there FBGEMM, QNNPACK or MKL.

    FBGEMM, MKL and ATen say which level they take their kernels from, not which kernel ran.
    """
    found: Counter[str] = Counter()
    unnamed: Counter[str] = Counter()
    kinds = Counter(layer.kind for layer in layers)
    for kind, logged in ((CONVOLUTION, ("convolution",)), (DENSE, ("matmul", "inner_product"))):
        rest = kinds[kind]
        for one, count in ran.items():
            if one.kind in logged:
                reached = level(one.kernel)
                (found if reached else unnamed)[reached or one.kernel] += count
                rest -= count
        integers = any(layer.kind == kind and layer.precision == "u8" for layer in layers)
        if rest > 0:
            own = _fbgemm_level() if engine in ("x86", "fbgemm") and integers else None
            own = _mkl_level() if kind == DENSE and not integers else own
            name = (engine or "ATen") if integers or kind == CONVOLUTION else "MKL"
            (found if own else unnamed)[own or name] += rest
    aten = level(torch.backends.cpu.get_cpu_capability())
    return Seen(asked, found, {aten: kinds[OTHER]} if aten else {}, unnamed)
