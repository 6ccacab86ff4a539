"""ONNX Runtime, CPU execution provider (MLAS kernels).

All graph optimizations, `threads` intra-op threads, sequential execution, spinning left on (its
default). Inputs and outputs are bound once through IOBinding, so that a call moves no data. One
session serves every batch and scenario: MLAS needs no static shape. MLAS chooses its kernels from the
CPU itself: nothing caps it and it names none.
"""

from __future__ import annotations

import functools
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort

from bench.common.errors import MeasureError
from bench.runtimes.base import Options, Runner
from bench.runtimes.evidence import CONVOLUTION, DENSE, OTHER, Evidence, Layer, judge
from bench.runtimes.isa import Seen

if TYPE_CHECKING:
    from bench.runtimes.base import Array

#: Operators by what they are; the others stand between them.
_KINDS: Mapping[str, str] = {
    **dict.fromkeys(("Conv", "FusedConv", "ConvInteger", "ConvIntegerToFloat", "QLinearConv"), CONVOLUTION),
    **dict.fromkeys(("Gemm", "FusedGemm", "MatMul", "FusedMatMul", "QGemm", "QLinearMatMul"), DENSE),
    **dict.fromkeys(("MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"), DENSE),
}

#: Operators that only convert or move values.
_MOVES = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast", "ReorderInput",
          "ReorderOutput", "Transpose", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity")  # fmt: skip

#: ONNX's names of types, as its profile has them. Dynamically quantized products take floats.
_PRECISIONS = {"float": "f32", "float16": "f16", "uint8": "u8", "int8": "i8", "int16": "i16"}
_QUANTIZES_ITSELF = "DynamicQuantizeMatMul"


def load(artifact: Path, options: Options) -> OnnxModel:
    """Open a session on model.onnx of the artifact directory."""
    return OnnxModel(artifact, options)


class OnnxModel:
    """An ONNX model with one float32 input (batch, 3, H, W), batch dynamic, and one float32 output."""

    layout = "NCHW"
    warm_calls = 1

    def __init__(self, artifact: Path, options: Options) -> None:
        self.options = options
        self.path = artifact / "model.onnx"
        self.session = self.open(self.settings())
        for port in (self.session.get_inputs()[0], self.session.get_outputs()[0]):
            if port.type != "tensor(float)":
                raise MeasureError(f"{port.name} is {port.type}, expected tensor(float)")

    def settings(self) -> Any:
        """Session options as measured."""
        settings = ort.SessionOptions()
        settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        settings.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        settings.intra_op_num_threads = self.options.threads
        settings.inter_op_num_threads = 1
        return settings

    def open(self, settings: Any) -> Any:
        """A session with these settings; raises MeasureError in ONNX Runtime's words."""
        try:
            return ort.InferenceSession(str(self.path), settings, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions share no base class but Exception
            raise MeasureError(f"ONNX Runtime cannot load the model: {error}") from error

    @functools.cached_property
    def operators(self) -> Counter[tuple[str, str]]:
        """Operators and precisions of one inference, from its profile in a session of its own.

        Profiling the measured session would cost time in it.
        """
        settings = self.settings()
        settings.enable_profiling = True
        with tempfile.TemporaryDirectory() as folder:
            settings.profile_file_prefix = str(Path(folder) / "profile")
            session = self.open(settings)
            port = session.get_inputs()[0]
            session.run(None, {port.name: np.zeros((1, *port.shape[1:]), np.float32)})
            events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        return Counter(
            (event["args"]["op_name"], _precision(event["args"]))
            for event in events
            if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")
        )

    def compile(self, batch: int, scenario: str) -> Runner:
        """Prepare bindings for a batch; nothing is compiled."""
        return _Session(self, batch)


class _Session:
    """Bindings of one batch: an IOBinding a window, all writing to the same logits."""

    def __init__(self, model: OnnxModel, batch: int) -> None:
        self.batch = batch
        self._model = model
        self._session = model.session
        classes = self._session.get_outputs()[0].shape[-1]
        self._logits: Array = np.zeros((batch, classes), np.float32)
        self._output = ort.OrtValue.ortvalue_from_numpy(self._logits)
        self._windows: dict[int, Any] = {}

    def bind(self, store: Array, starts: Iterable[int]) -> None:
        self._windows = {start: self._binding(store[start : start + self.batch]) for start in starts}

    def run(self, start: int) -> Array:
        self._session.run_with_iobinding(self._windows[start])
        return self._logits

    def _binding(self, window: Array) -> Any:
        binding = self._session.io_binding()
        value = ort.OrtValue.ortvalue_from_numpy(window)
        binding.bind_ortvalue_input(self._session.get_inputs()[0].name, value)
        binding.bind_ortvalue_output(self._session.get_outputs()[0].name, self._output)
        return binding

    def evidence(self) -> Evidence:
        """Count the operators that ran, by the type of their first input."""
        operators = self._model.operators
        layers = [
            Layer(_KINDS.get(name, OTHER), name, precision)
            for (name, precision), count in operators.items()
            if name not in _MOVES
            for _ in range(count)
        ]
        ran = [f"{count} {name}" for (name, _), count in operators.most_common() if name in _KINDS]
        facts = {
            "operators": {
                f"{name} {precision}": count for (name, precision), count in operators.most_common()
            },
            "threads": self._model.options.threads,
        }
        options = self._model.options
        return judge(options.method, layers, Seen(options.isa), detail=", ".join(ran), facts=facts)


def _precision(args: Mapping[str, Any]) -> str:
    """The precision of a profiled operator: its first input's type ("?" for one without inputs)."""
    if args["op_name"] == _QUANTIZES_ITSELF:
        return "u8"
    types = [next(iter(one)) for one in args.get("input_type_shape", []) if one]
    return _PRECISIONS.get(types[0], types[0]) if types else "?"
