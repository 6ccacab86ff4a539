"""TFLite (tflite-runtime) with the XNNPACK delegate on `threads` threads.

The default delegate of the tflite-runtime wheels leaves signed and unsigned 8-bit operators to the
builtin kernels (on amd64 102 ms against 5 ms for MobileNetV2, INT8-SQ, 2 threads), unlike TensorFlow's
own builds. So the delegate is made here, through the C interface that the wheel's library exports
(tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h), with both kinds of 8-bit operators enabled.

XNNPACK and ruy (in TFLite's builtin kernels) choose their kernels from the CPU themselves: nothing caps
XNNPACK, and it names no kernel.

The interpreter copies its input into an arena of its own and offers no way around that, so the copy is
part of a call.
"""

from __future__ import annotations

import ctypes
import functools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tflite_runtime import _pywrap_tensorflow_interpreter_wrapper as wrapper
from tflite_runtime.interpreter import Interpreter, OpResolverType

from bench.common.errors import MeasureError
from bench.runtimes.base import Options, Runner
from bench.runtimes.evidence import CONVOLUTION, DENSE, OTHER, Evidence, Layer, judge
from bench.runtimes.isa import Seen

if TYPE_CHECKING:
    from bench.runtimes.base import Array

_KINDS = {"CONV_2D": CONVOLUTION, "DEPTHWISE_CONV_2D": CONVOLUTION, "FULLY_CONNECTED": DENSE}

#: Operators that only convert or move values.
_MOVES = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "CAST", "TRANSPOSE", "SQUEEZE", "PAD")
_PRECISIONS = {"float32": "f32", "float16": "f16", "int8": "i8", "uint8": "u8", "int16": "i16"}
_QS8, _QU8 = 1, 2  # TFLITE_XNNPACK_DELEGATE_FLAG_QS8 and _QU8


class _DelegateOptions(ctypes.Structure):
    """TfLiteXNNPackDelegateOptions: two fields we set, and room for those of any version."""

    _fields_ = (
        ("num_threads", ctypes.c_int32),
        ("flags", ctypes.c_uint32),
        ("others", ctypes.c_uint64 * 15),
    )


@functools.cache
def _library() -> ctypes.CDLL:
    """The wheel's own library, which exports the delegate's C interface."""
    library = ctypes.CDLL(wrapper.__file__)
    try:
        library.TfLiteXNNPackDelegateOptionsDefault.restype = _DelegateOptions
        library.TfLiteXNNPackDelegateCreate.restype = ctypes.c_void_p
        library.TfLiteXNNPackDelegateCreate.argtypes = [ctypes.POINTER(_DelegateOptions)]
    except AttributeError as error:
        raise MeasureError(f"this tflite-runtime does not export its XNNPACK delegate: {error}") from error
    return library


def _delegate(threads: int) -> int:
    """Address of a new XNNPACK delegate; it must outlive its interpreter, so it is never deleted."""
    options = _library().TfLiteXNNPackDelegateOptionsDefault()
    options.num_threads = threads
    options.flags |= _QS8 | _QU8
    return int(_library().TfLiteXNNPackDelegateCreate(ctypes.byref(options)))


def load(artifact: Path, options: Options) -> TFLiteModel:
    """Read model.tflite of the artifact directory."""
    return TFLiteModel(artifact, options)


class TFLiteModel:
    """A TFLite model with one float32 input (batch, H, W, 3) and one float32 output (batch, classes)."""

    layout = "NHWC"
    warm_calls = 1

    def __init__(self, artifact: Path, options: Options) -> None:
        self._path = artifact / "model.tflite"
        self._options = options

    def compile(self, batch: int, scenario: str) -> Runner:
        """Make an interpreter of this batch and let XNNPACK take its nodes."""
        try:
            interpreter = Interpreter(
                model_path=str(self._path),
                num_threads=self._options.threads,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            port = interpreter.get_input_details()[0]
            interpreter.resize_tensor_input(port["index"], [batch, *port["shape"][1:]], strict=False)
            # after the resize: XNNPACK compiles for the shapes it finds
            interpreter._interpreter.ModifyGraphWithDelegate(_delegate(self._options.threads))
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise MeasureError(f"TFLite cannot load the model: {error}") from error
        return _Interpreter(interpreter, batch, self._options)


class _Interpreter:
    """One interpreter of a static batch."""

    def __init__(self, interpreter: Any, batch: int, options: Options) -> None:
        self.batch = batch
        self._interpreter = interpreter
        self._options = options
        ports = (interpreter.get_input_details()[0], interpreter.get_output_details()[0])
        for port in ports:
            if port["dtype"] is not np.float32:
                raise MeasureError(f"{port['name']} is {port['dtype'].__name__}, expected float32")
        self._input, self._output = (interpreter.tensor(port["index"]) for port in ports)
        self._invoke = interpreter.invoke
        self._store: Array = np.zeros(0, np.float32)
        self._logits: Array = np.zeros(self._output().shape, np.float32)

    def bind(self, store: Array, starts: Iterable[int]) -> None:
        self._store = store

    def run(self, start: int) -> Array:
        # No view of an arena tensor may live across invoke(), which refuses to run then.
        np.copyto(self._input(), self._store[start : start + self.batch])
        self._invoke()
        np.copyto(self._logits, self._output())
        return self._logits

    def evidence(self) -> Evidence:
        """Tell the nodes that the delegate took from those left to TFLite's own kernels."""
        nodes = self._interpreter._get_ops_details()  # no public way exists
        types = {t["index"]: t["dtype"].__name__ for t in self._interpreter.get_tensor_details()}
        delegates = [node for node in nodes if node["op_name"] == "DELEGATE"]
        plain = [node for node in nodes if node["op_name"] != "DELEGATE"]
        taken = _delegated(plain, delegates)
        left = Counter(node["op_name"] for node in plain if node["index"] not in taken)
        layers: list[Layer] = []
        hybrid: Counter[str] = Counter()
        for node in plain:
            operator = node["op_name"]
            if operator in _MOVES:
                continue
            found = [types.get(int(tensor), "?") for tensor in node["inputs"]]
            precision = found[0] if found else "?"
            # float32 in, int8 weights: TFLite's hybrid kernels, which quantize their input as they go
            if operator in _KINDS and found[:2] == ["float32", "int8"] and node["index"] not in taken:
                precision = "int8"
                hybrid[operator] += 1
            layers.append(Layer(_KINDS.get(operator, OTHER), operator, _PRECISIONS.get(precision, precision)))
        facts = {
            "delegate": "XNNPACK" if delegates else None,
            "delegates": len(delegates),
            "nodes": len(plain),
            "nodes_delegated": len(taken),
            "left_to_builtin_kernels": dict(left.most_common()),
            "hybrid": dict(hybrid.most_common()),
            "threads": self._options.threads,
        }
        detail = f"XNNPACK took {len(taken)} of {len(plain)} nodes"
        if hybrid:
            detail += f", {sum(hybrid.values())} are hybrid kernels (float in and out, int8 within)"
        seen = Seen(self._options.isa)
        judged = judge(self._options.method, layers, seen, detail=detail, facts=facts)
        return judged.plus(*_slow(layers, left))


def _slow(layers: list[Layer], left: Counter[str]) -> Iterator[str]:
    """Warn of convolutions and dense layers without XNNPACK."""
    for kind in (CONVOLUTION, DENSE):
        total = sum(1 for layer in layers if layer.kind == kind)
        slow = sum(count for name, count in left.items() if _KINDS.get(name) == kind)
        if slow:
            yield f"{slow} of {total} {kind} were left to TFLite's builtin kernels"


def _delegated(plain: list[Any], delegates: list[Any]) -> set[int]:
    """Indices of the nodes between the inputs and outputs of the delegate nodes that replaced them."""
    producer = {int(tensor): node for node in plain for tensor in node["outputs"]}
    taken: set[int] = set()
    for delegate in delegates:
        border = {int(tensor) for tensor in delegate["inputs"]}
        todo = [int(tensor) for tensor in delegate["outputs"]]
        while todo:
            tensor = todo.pop()
            node = producer.get(tensor)
            if tensor in border or node is None or node["index"] in taken:
                continue
            taken.add(node["index"])
            todo += [int(source) for source in node["inputs"]]
    return taken
