"""OpenVINO, CPU plugin.

Streams use the LATENCY hint and one synchronous request; Offline uses the THROUGHPUT hint and an
asynchronous queue of the optimal number of requests, as OpenVINO's own benchmark_app does. The batch
is reshaped to a static one. INFERENCE_PRECISION_HINT is f32 for every method: the CPU plugin computes
what is not quantized in bf16 by default where the CPU has avx512_bf16 or AMX.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino as ov

from bench.errors import MeasureError
from bench.evidence import Evidence, judge
from bench.frameworks import Options, Runner

if TYPE_CHECKING:
    from bench.frameworks import Array

_CONVOLUTIONS = ("Convolution", "GroupConvolution")


def load(artifact: Path, options: Options) -> Model:
    """Read model.xml and model.bin of the artifact directory."""
    return Model(artifact, options)


class Model:
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
        try:
            model = self._core.read_model(self._artifact)
            shape = list(model.input(0).get_partial_shape())
            model.reshape(ov.PartialShape([batch, *shape[1:]]))
            compiled = self._core.compile_model(model, "CPU", config)
        except RuntimeError as error:
            raise MeasureError(f"OpenVINO cannot compile the model: {error}") from error
        for port in (compiled.input(0), compiled.output(0)):
            if port.get_element_type() != ov.Type.f32:
                raise MeasureError(f"{port.get_any_name()} is {port.get_element_type()}, expected f32")
        kind = _Queue if offline else _Request
        return kind(compiled, batch, self._options)


class _Request:
    """One synchronous request; windows are tensors that share the store's memory."""

    def __init__(self, compiled: Any, batch: int, options: Options) -> None:
        self.batch = batch
        self._compiled = compiled
        self._options = options
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
        """Count primitives and precisions of the executed graph (get_runtime_model)."""
        layers: Counter[str] = Counter()
        convolutions: Counter[str] = Counter()
        kernels: Counter[str] = Counter()
        for node in self._compiled.get_runtime_model().get_ops():
            info = node.get_rt_info()
            kind, precision = _text(info, "layerType"), _text(info, "runtimePrecision")
            layers[f"{kind} {precision}"] += 1
            if kind in _CONVOLUTIONS:
                convolutions[precision] += 1
                kernels[_text(info, "primitiveType")] += 1
        facts = {
            "layers": dict(layers.most_common()),
            "convolution_kernels": dict(kernels.most_common()),
            "streams": int(self._compiled.get_property("NUM_STREAMS")),
            "threads": int(self._compiled.get_property("INFERENCE_NUM_THREADS")),
            "requests": self._requests(),
            "precision_hint": str(self._compiled.get_property("INFERENCE_PRECISION_HINT")),
        }
        detail = "kernels " + ", ".join(f"{name} ({count})" for name, count in kernels.most_common(3))
        return judge(self._options.method, convolutions, detail=detail, facts=facts)

    def _requests(self) -> int:
        return 1


class _Queue(_Request):
    """The asynchronous queue of Offline; `run` stays synchronous, on a request of its own."""

    def __init__(self, compiled: Any, batch: int, options: Options) -> None:
        super().__init__(compiled, batch, options)
        self._queue = ov.AsyncInferQueue(compiled, 0)  # 0: the plugin's optimal number
        self.in_flight = len(self._queue)

    def start(self, start: int, userdata: object) -> None:
        self._queue.start_async(self._windows[start], userdata, share_inputs=True)

    def on_done(self, done: Callable[[Any, Any], None]) -> None:
        self._queue.set_callback(done)

    def wait(self) -> None:
        self._queue.wait_all()

    def _requests(self) -> int:
        return self.in_flight


def _text(info: Any, key: str) -> str:
    return str(info[key].astype(str)) if key in info else "?"
