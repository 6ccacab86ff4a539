"""Models of the ONNX model zoo, as the paper took them (section III-B-3), made fit for today's quantizers.

Their files are old: weights listed among the inputs, batch fixed to one, operator sets from 7 on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import ModelProto, NodeProto, ValueInfoProto, numpy_helper, shape_inference, version_converter

from bench.common.errors import ArtifactError

_IR = 8  # the file format that operator set 17 came with
BATCH = "batch"
PACKAGES = ("onnx", "onnxruntime")
_FP32 = npt.NDArray[np.float32]


def modernise(source: Path, target: Path, opset: int) -> None:
    """Write the model with input "input" (batch, 3, H, W), output "logits" (batch, classes), and `opset`.

    The zoo's classifiers take images normalised as the paper says, and give scores before softmax: nothing
    is added to them. Raises ArtifactError for a file that is no such model.
    """
    try:
        model = onnx.load(str(source))
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and onnx's own; all mean the same to the user
        reason = " ".join(str(error).split())[:300]
        raise ArtifactError(f"not an ONNX model: {reason}", where=str(source)) from error
    _drop_listed_weights(model)
    _drop_dropout(model)
    _rename(model, source)
    _free_batch(model)
    model.ir_version = max(model.ir_version, _IR)
    if model.opset_import[0].version != opset:
        model = version_converter.convert_version(model, opset)
    del model.graph.value_info[:]  # shapes of batch 1
    model = shape_inference.infer_shapes(model, data_prop=True)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(target))


def note(_: str) -> str:
    """What an artifact made from the published model says of itself."""
    return "the ONNX model zoo's model, with a free batch axis and today's operators"


def logits(_: str, path: Path, images: _FP32) -> _FP32:
    """Logits (N, 1000) of the published file as it is, run one image (3, H, W) at a time."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns of each weight that is listed as an input
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    weights = {tensor.name for tensor in onnx.load(str(path)).graph.initializer}
    [name] = [entry.name for entry in session.get_inputs() if entry.name not in weights]
    rows = [session.run(None, {name: image[None]})[0].reshape(1, -1) for image in images]
    found: _FP32 = np.concatenate(rows)
    return found


def _drop_listed_weights(model: ModelProto) -> None:
    """Up to format 3 every weight is an input too; then no optimiser may take it for a constant."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)


def _drop_dropout(model: ModelProto) -> None:
    """Dropout does nothing in inference, and its older forms have no conversion."""
    passed = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Dropout"}
    kept = [node for node in model.graph.node if node.op_type != "Dropout"]
    for node in kept:
        while any(name in passed for name in node.input):
            node.input[:] = [passed.get(name, name) for name in node.input]
    del model.graph.node[:]
    model.graph.node.extend(kept)


def _rename(model: ModelProto, source: Path) -> None:
    graph = model.graph
    if len(graph.input) != 1 or len(graph.output) != 1 or len(_dims(graph.input[0])) != 4:
        raise ArtifactError("not a classifier of one image batch", where=str(source))
    names = {graph.input[0].name: "input", graph.output[0].name: "logits"}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    graph.input[0].name, graph.output[0].name = "input", "logits"


def _free_batch(model: ModelProto) -> None:
    """Leave the first axis of input, output and of every reshape to the one who runs the model."""
    graph = model.graph
    for entry in (graph.input[0], graph.output[0]):
        entry.type.tensor_type.shape.dim[0].dim_param = BATCH
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    for tensor in graph.initializer:
        if tensor.name in shapes:
            tensor.CopyFrom(numpy_helper.from_array(_open(numpy_helper.to_array(tensor)), tensor.name))
    for node in graph.node:
        if node.op_type == "Constant" and node.output[0] in shapes:
            _set_constant(node)


def _set_constant(node: NodeProto) -> None:
    for attribute in node.attribute:
        if attribute.name == "value":
            shape = _open(numpy_helper.to_array(attribute.t))
            attribute.t.CopyFrom(numpy_helper.from_array(shape, attribute.t.name))


def _open(shape: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """A reshape's target with its leading 1 (the batch) left open: -1 where no other axis is, else 0."""
    opened = shape.copy()
    if len(shape) > 1 and shape[0] == 1:
        opened[0] = 0 if -1 in shape else -1
    return opened


def _dims(entry: ValueInfoProto) -> list[int]:
    return [dim.dim_value for dim in entry.type.tensor_type.shape.dim]
