"""Models as the zoos publish them, small or with random weights. Runs in the prepare environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import onnx
from keras.src.legacy.saving import legacy_h5_format
from onnx import TensorProto, helper, numpy_helper


def keras_weights(name: str, path: Path) -> None:
    """Write random weights in the layout of Keras Applications' files; no layer vanishes or explodes."""
    network = getattr(keras.applications, name)(weights=None)
    draw = np.random.default_rng(0)
    for variable in network.weights:
        shape, role = variable.shape, variable.path
        if "variance" in role:
            variable.assign(draw.uniform(0.5, 1.5, shape))
        elif "kernel" in role:
            fan_in = 9 if "depthwise" in role else np.prod(shape[:-1])
            variable.assign(draw.normal(0, np.sqrt(2 / fan_in), shape))
        elif "gamma" not in role:
            variable.assign(draw.normal(0, 0.2, shape))
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)


def onnx_opset_7(path: Path) -> None:
    """Write a classifier as MXNet exported them: format 3, weights among the inputs, batch of one."""
    draw = np.random.default_rng(0)
    weights = [
        _tensor("w", draw.normal(0, 0.2, (8, 3, 3, 3))),
        *(_tensor(name, draw.uniform(0.5, 1.5, 8)) for name in ("gamma", "beta", "mean", "var")),
        _tensor("dense", draw.normal(0, 0.3, (1000, 8))),
        _tensor("bias", draw.normal(0, 0.1, 1000)),
        numpy_helper.from_array(np.array([1, -1], np.int64), "shape"),
    ]
    nodes = [
        helper.make_node("Conv", ["data", "w"], ["c"], kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["n"], spatial=1),
        helper.make_node("Clip", ["n"], ["r"], min=0.0, max=6.0),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Dropout", ["p"], ["d", "mask"], ratio=0.5),
        helper.make_node("Reshape", ["d", "shape"], ["f"]),
        helper.make_node("Dropout", ["f"], ["g"], ratio=0.5),
        helper.make_node("Gemm", ["g", "dense", "bias"], ["score"], transB=1),
    ]
    listed = [helper.make_tensor_value_info(w.name, w.data_type, list(w.dims)) for w in weights]
    _save(nodes, [_floats("data", [1, 3, 224, 224]), *listed], _floats("score", [1, 1000]), weights, 7, path)


def onnx_opset_12(path: Path) -> None:
    """Write a classifier as PyTorch exported them: the batch named, its size read at run time."""
    draw = np.random.default_rng(1)
    weights = [
        _tensor("w", draw.normal(0, 0.2, (8, 3, 3, 3))),
        _tensor("dense", draw.normal(0, 0.3, (1000, 8))),
        _tensor("bias", draw.normal(0, 0.1, 1000)),
        numpy_helper.from_array(np.array(0, np.int64), "zero"),
        numpy_helper.from_array(np.array([-1], np.int64), "rest"),
    ]
    nodes = [
        helper.make_node("Conv", ["input", "w"], ["c"], kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Shape", ["p"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"], axis=0),
        helper.make_node("Unsqueeze", ["n"], ["u"], axes=[0]),
        helper.make_node("Concat", ["u", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["p", "to"], ["f"]),
        helper.make_node("Gemm", ["f", "dense", "bias"], ["output"], transB=1),
    ]
    inputs, output = [_floats("input", ["batch_size", 3, 224, 224])], _floats("output", ["batch_size", 1000])
    _save(nodes, inputs, output, weights, 12, path)


def _tensor(name: str, values: Any) -> Any:
    return numpy_helper.from_array(np.asarray(values, np.float32), name)


def _floats(name: str, shape: list[Any]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _save(nodes: Any, inputs: Any, output: Any, weights: Any, opset: int, path: Path) -> None:
    graph = helper.make_graph(nodes, "zoo", inputs, [output], weights)
    version = helper.make_opsetid("", opset)
    model = helper.make_model(graph, opset_imports=[version], ir_version=3 if opset < 9 else 6)
    onnx.save(model, str(path))
