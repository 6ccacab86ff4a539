"""OpenVINO, CPU plugin.

Streams use the LATENCY hint and one synchronous request; Offline uses the THROUGHPUT hint and an
asynchronous queue of the optimal number of requests, as OpenVINO's own benchmark_app does. The batch
is reshaped to a static one. INFERENCE_PRECISION_HINT is f32 for every method: the CPU plugin computes
what is not quantized in bf16 by default where the CPU has avx512_bf16 or AMX.

ONEDNN_MAX_CPU_ISA caps oneDNN and most of the plugin's own kernels, not all of them (Reduce) nor MLAS,
which multiplies float matrices here. The executed graph names a layer's kernel as "brgconv_avx512_1x1_I8",
with or without VNNI; oneDNN's log of the primitives it creates tells which.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino as ov

from bench.common.errors import MeasureError
from bench.runtimes.base import Options, Runner
from bench.runtimes.evidence import (
    CONVOLUTION,
    DENSE,
    OTHER,
    Evidence,
    Layer,
    in_reference_kernels,
    judge,
)
from bench.runtimes.isa import LEVELS, Seen, highest, level
from bench.runtimes.verbose import Primitive, captured, primitives

if TYPE_CHECKING:
    from bench.runtimes.base import Array

_KINDS = {
    "Convolution": CONVOLUTION,
    "GroupConvolution": CONVOLUTION,
    "FullyConnected": DENSE,
    "MatMul": DENSE,
}

#: Nodes of the executed graph that only hold, convert or move values.
_MOVES = ("Const", "Input", "Output", "Reorder", "Reshape", "Convert", "FakeQuantize", "Transpose")
_INTEGERS = ("u8", "i8")


def load(artifact: Path, options: Options) -> IrModel:
    """Read model.xml and model.bin of the artifact directory."""
    return IrModel(artifact, options)


class IrModel:
    """An IR model with one float32 input (batch, 3, H, W) and one float32 output (batch, classes)."""

    layout = "NCHW"
    warm_calls = 1

    def __init__(self, artifact: Path, options: Options) -> None:
        self._core = ov.Core()
        self._artifact = artifact / "model.xml"
        self._options = options

    def compile(self, batch: int, scenario: str) -> Runner:
        """Compile for a static batch with the scenario's performance hint."""
        offline = scenario == "Offline"
        config: dict[str, Any] = {
            "PERFORMANCE_HINT": "THROUGHPUT" if offline else "LATENCY",
            "INFERENCE_NUM_THREADS": self._options.threads,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        # Read once, when the process first creates a primitive; nothing is logged while inferring.
        os.environ.setdefault("ONEDNN_VERBOSE", "profile_create")
        log: list[str] = []
        try:
            model = self._core.read_model(self._artifact)
            shape = list(model.input(0).get_partial_shape())
            model.reshape(ov.PartialShape([batch, *shape[1:]]))
            with captured(log):
                compiled = self._core.compile_model(model, "CPU", config)
        except RuntimeError as error:
            raise MeasureError(f"OpenVINO cannot compile the model: {error}") from error
        for port in (compiled.input(0), compiled.output(0)):
            if port.get_element_type() != ov.Type.f32:
                raise MeasureError(f"{port.get_any_name()} is {port.get_element_type()}, expected f32")
        kind = _Queue if offline else _Request
        return kind(compiled, batch, self._options, primitives(log, "create"))


class _Request:
    """One synchronous request; windows are tensors that share the store's memory."""

    def __init__(self, compiled: Any, batch: int, options: Options, created: Counter[Primitive]) -> None:
        self.batch = batch
        self._compiled = compiled
        self._options = options
        self._created = created
        self._request = compiled.create_infer_request()
        self._logits: Array = np.zeros(tuple(compiled.output(0).shape), np.float32)
        self._request.set_output_tensor(0, ov.Tensor(self._logits, shared_memory=True))
        self._windows: dict[int, Any] = {}

    def bind(self, store: Array, starts: Iterable[int]) -> None:
        windows = {
            start: ov.Tensor(store[start : start + self.batch], shared_memory=True) for start in starts
        }
        self._windows = windows

    def run(self, start: int) -> Array:
        self._request.set_input_tensor(0, self._windows[start])
        self._request.start_async()
        self._request.wait()
        return self._logits

    def evidence(self) -> Evidence:
        """The layers and kernels of the executed graph (get_runtime_model), refined by oneDNN's log."""
        graph: Counter[str] = Counter()
        layers: list[Layer] = []
        kernels: dict[str, Counter[tuple[str, str]]] = {
            CONVOLUTION: Counter(),
            DENSE: Counter(),
            OTHER: Counter(),
        }
        for node in self._compiled.get_runtime_model().get_ops():
            info = node.get_rt_info()
            operator, precision = _text(info, "layerType"), _text(info, "runtimePrecision")
            graph[f"{operator} {precision}"] += 1
            # a layer that takes floats and gives integers quantizes
            quantizes = precision not in _INTEGERS and _text(info, "outputPrecisions") in _INTEGERS
            kind = _KINDS.get(operator, OTHER)
            if operator in _MOVES or (kind == OTHER and quantizes):
                continue
            layers.append(Layer(kind, operator, precision))
            kernels[kind][_text(info, "primitiveType"), precision] += 1
        named = [f"{name} ({count})" for (name, _), count in kernels[CONVOLUTION].most_common(3)]
        facts = {
            "layers": dict(graph.most_common()),
            "convolution_kernels": _by_name(kernels[CONVOLUTION]),
            "dense_kernels": _by_name(kernels[DENSE]),
            "onednn_kernels": {
                f"{one.kind} {one.kernel} {one.source}": n for one, n in self._created.items()
            },
            "streams": int(self._compiled.get_property("NUM_STREAMS")),
            "threads": int(self._compiled.get_property("INFERENCE_NUM_THREADS")),
            "requests": self._requests(),
            "precision_hint": str(self._compiled.get_property("INFERENCE_PRECISION_HINT")),
        }
        seen = _seen(self._options.isa, kernels, self._created)
        judged = judge(self._options.method, layers, seen, detail="kernels " + ", ".join(named), facts=facts)
        slow = [
            words
            for kind in (CONVOLUTION, DENSE)
            for words in in_reference_kernels(kind, _by_name(kernels[kind]))
        ]
        return judged.plus(*slow)

    def _requests(self) -> int:
        return 1


class _Queue(_Request):
    """The asynchronous queue of Offline; `run` stays synchronous, on a request of its own."""

    def __init__(self, compiled: Any, batch: int, options: Options, created: Counter[Primitive]) -> None:
        super().__init__(compiled, batch, options, created)
        self._queue = ov.AsyncInferQueue(compiled, 0)  # 0: the plugin's optimal number
        self.in_flight = len(self._queue)

    def start(self, start: int, userdata: object) -> None:
        self._queue.start_async(self._windows[start], userdata, share_inputs=True)

    def on_done(self, done: Callable[[Any, Any], None]) -> None:
        self._queue.set_callback(done)

    def logits(self, request: Any) -> Array:
        found: Array = request.get_output_tensor(0).data
        return found

    def wait(self) -> None:
        self._queue.wait_all()

    def _requests(self) -> int:
        return self.in_flight


def _by_name(kernels: Counter[tuple[str, str]]) -> dict[str, int]:
    """Layers by their kernel's name, whatever their precision; the most frequent first."""
    counts: Counter[str] = Counter()
    for (name, _), count in kernels.items():
        counts[name] += count
    return dict(counts.most_common())


def _text(info: Any, key: str) -> str:
    return str(info[key].astype(str)) if key in info else "?"


def _seen(asked: str, kernels: dict[str, Counter[tuple[str, str]]], created: Counter[Primitive]) -> Seen:
    """Levels by layer: what the executed graph names, made exact by what oneDNN created."""
    found: Counter[str] = Counter()
    others: Counter[str] = Counter()
    unnamed: Counter[str] = Counter()
    for kind, counts in kernels.items():
        for (kernel, precision), count in counts.items():
            named = level(kernel)
            if kind == OTHER:
                others[named or ""] += count
            elif named is None:
                unnamed[kernel] += count
            else:
                found[_exact(named, precision in _INTEGERS, created)] += count
    return Seen(asked, found, {name: count for name, count in others.items() if name}, unnamed)


def _exact(named: str, integers: bool, created: Counter[Primitive]) -> str:
    """The highest level of oneDNN's convolutions and products of that vector length and precision.

    "avx512" in the executed graph means any level from avx512_core up to AMX, which it names apart.
    """
    vector = ("amx", "avx512", "avx2")
    width = [has for has in vector if has in LEVELS[named]][:1]
    levels = [
        level(one.kernel)
        for one in created
        if one.kind in ("convolution", "inner_product", "matmul") and (one.source in ("u8", "s8")) == integers
    ]
    alike = [name for name in levels if name and [has for has in vector if has in LEVELS[name]][:1] == width]
    return highest(Counter(alike)) or named
