"""The canonical torch module as a TensorFlow model in NHWC, keeping torchvision's padding.

Keras' twins of these models pad stride-2 convolutions on one side only; copying weights into them costs
points of accuracy. So the torch.fx graph itself is walked, batch norm folded first, and every operator
emitted with the padding torch gives it: 'SAME' where that is exactly equal, else an explicit pad.
"""

from __future__ import annotations

import copy
import operator
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import torch
from torch import fx, nn
from torch.fx.experimental.optimization import fuse
from torch.fx.passes.shape_prop import ShapeProp

from bench.common.errors import ArtifactError

Pair = tuple[int, int]
_FP32 = npt.NDArray[np.float32]


def save(module: nn.Module, side: int, directory: Path) -> None:
    """Write a SavedModel: "input" float32 NHWC (None, side, side, 3) -> "logits" (None, 1000).

    The batch axis is free and no operator computes a shape, so that the run side may resize the input to
    any batch and XNNPACK still takes the whole graph. ArtifactError names an operator without a rule.
    """
    traced = fuse(copy.deepcopy(module).eval())
    with torch.inference_mode():
        ShapeProp(traced).propagate(torch.zeros(1, 3, side, side))
    root = tf.Module()
    emitter = _Emitter(traced)
    signature = [tf.TensorSpec([None, side, side, 3], tf.float32, name="input")]
    root.serve = tf.function(emitter, input_signature=signature)
    concrete = root.serve.get_concrete_function()
    root.weights = emitter.weights  # what is not an attribute is not saved
    unfinished = directory.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    tf.saved_model.save(root, str(unfinished), signatures=concrete)
    unfinished.rename(directory)


class _Emitter:
    """Interprets an fx graph with TensorFlow operators; one rule for each kind of node."""

    def __init__(self, traced: fx.GraphModule) -> None:
        self._traced = traced
        self._modules = dict(traced.named_modules())
        self.weights: dict[str, Any] = {}
        self._rules: dict[Any, Callable[..., Any]] = {
            nn.Conv2d: self._convolution,
            nn.BatchNorm2d: self._batch_norm,
            nn.Linear: self._linear,
            nn.MaxPool2d: self._max_pool,
            nn.AvgPool2d: self._average_pool,
            nn.AdaptiveAvgPool2d: self._adaptive_pool,
            nn.functional.adaptive_avg_pool2d: self._adaptive_pool,
            nn.ReLU: lambda node, x, *_: tf.nn.relu(x),
            nn.functional.relu: lambda node, x, **_: tf.nn.relu(x),
            nn.ReLU6: lambda node, x, *_: tf.nn.relu6(x),
            nn.Dropout: lambda node, x, *_: x,
            operator.add: lambda node, x, y: x + y,
            torch.cat: lambda node, xs, dim: tf.concat(xs, axis=3),
            torch.flatten: self._flatten,
        }

    def __call__(self, images: Any) -> Any:
        values: dict[fx.Node, Any] = {}
        for node in self._traced.graph.nodes:
            if node.op == "placeholder":
                values[node] = images
            elif node.op == "output":
                return {"logits": values[node.args[0]]}
            else:
                values[node] = self._emit(node, values)
        raise AssertionError("an fx graph ends with its output")

    def _emit(self, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
        args = fx.node.map_arg(node.args, values.__getitem__)
        if node.op == "call_module":
            child = self._modules[str(node.target)]
            rule = self._rules.get(type(child))
            args = (*args, child)
        else:
            rule = self._rules.get(node.target)
        if rule is None:
            raise ArtifactError(f"no TensorFlow rule for {node.target}", where=f"fx node {node.name}")
        return rule(node, *args, **node.kwargs)

    def _weight(self, node: fx.Node, role: str, value: Any) -> Any:
        """A variable: as a constant in the graph a weight would be copied at every stage to come."""
        name = f"{node.name}_{role}"
        if name not in self.weights:  # the function is traced twice, and makes its variables once
            with tf.init_scope():
                self.weights[name] = tf.Variable(np.ascontiguousarray(value), trainable=False, name=name)
        return self.weights[name]

    def _convolution(self, node: fx.Node, x: Any, layer: nn.Conv2d) -> Any:
        kernel = layer.weight.detach().numpy().transpose(2, 3, 1, 0)  # OIHW -> HWIO
        x, padding = _pad(node, x, _pair(layer.kernel_size), _pair(layer.stride), _pair(layer.padding))
        if layer.groups == 1:
            y = tf.nn.conv2d(x, self._weight(node, "kernel", kernel), _pair(layer.stride), padding)
        elif layer.groups == layer.in_channels == layer.out_channels:
            kernel, strides = kernel.transpose(0, 1, 3, 2), (1, *_pair(layer.stride), 1)
            y = tf.nn.depthwise_conv2d(x, self._weight(node, "kernel", kernel), strides, padding)
        else:
            raise ArtifactError("grouped convolution that is not depthwise", where=f"fx node {node.name}")
        return y if layer.bias is None else tf.nn.bias_add(y, layer.bias.detach().numpy())

    def _batch_norm(self, node: fx.Node, x: Any, layer: nn.BatchNorm2d) -> Any:
        """Batch norm that precedes its convolution (DenseNet) cannot be folded: scale and shift."""
        scale = layer.weight / torch.sqrt(layer.running_var + layer.eps)
        shift = layer.bias - layer.running_mean * scale
        return x * scale.detach().numpy() + shift.detach().numpy()

    def _linear(self, node: fx.Node, x: Any, layer: nn.Linear) -> Any:
        weight = _nhwc_columns(node, layer.weight.detach().numpy())
        return tf.nn.bias_add(
            tf.linalg.matmul(x, self._weight(node, "weight", weight.T)), layer.bias.detach().numpy()
        )

    def _max_pool(self, node: fx.Node, x: Any, layer: nn.MaxPool2d) -> Any:
        kernel, stride = _pair(layer.kernel_size), _pair(layer.stride)
        before = node.args[0]
        if layer.padding and not isinstance(self._modules.get(str(before.target)), (nn.ReLU, nn.ReLU6)):
            raise ArtifactError("padded max pool of values below zero", where=f"fx node {node.name}")
        x, padding = _pad(node, x, kernel, stride, _pair(layer.padding))  # zeros: neutral after a rectifier
        return tf.nn.max_pool2d(x, kernel, stride, padding)

    def _average_pool(self, node: fx.Node, x: Any, layer: nn.AvgPool2d) -> Any:
        if layer.padding:
            raise ArtifactError("padded average pool", where=f"fx node {node.name}")
        return tf.nn.avg_pool2d(x, _pair(layer.kernel_size), _pair(layer.stride), "VALID")

    def _adaptive_pool(self, node: fx.Node, x: Any, target: Any) -> Any:
        size = target.output_size if isinstance(target, nn.Module) else target
        if _pair(size) == (1, 1):
            return tf.reduce_mean(x, axis=[1, 2], keepdims=True)
        if _pair(size) == _shape(node.args[0])[2:]:
            return x
        raise ArtifactError(f"adaptive pool to {size}", where=f"fx node {node.name}")

    def _flatten(self, node: fx.Node, x: Any, start: int) -> Any:
        """(N, H, W, C) -> (N, HWC); `_linear` puts its columns in that order."""
        return tf.reshape(x, [-1, _shape(node)[1]])


def _nhwc_columns(node: fx.Node, weight: _FP32) -> _FP32:
    """Reorder a linear layer's columns from C, H, W to H, W, C if it reads a flattened image."""
    source = node.args[0]
    while isinstance(source, fx.Node) and source.target is not torch.flatten:
        if source.op != "call_module" or "dropout" not in str(source.meta.get("type", "")):
            return weight
        source = source.args[0]
    channels, height, width = _shape(source.args[0])[1:]
    return weight.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(len(weight), -1)


def _pad(node: fx.Node, x: Any, kernel: Pair, stride: Pair, pad: Pair) -> tuple[Any, str]:
    """Return x, padded if need be, and the TensorFlow padding that together equal torch's symmetric `pad`."""
    if pad == (0, 0):
        return x, "VALID"
    sizes, outputs = _shape(node.args[0])[2:], _shape(node)[2:]
    if all(map(_is_same, sizes, outputs, kernel, stride, pad)):
        return x, "SAME"
    return tf.pad(x, [[0, 0], [pad[0], pad[0]], [pad[1], pad[1]], [0, 0]]), "VALID"


def _is_same(size: int, output: int, kernel: int, stride: int, pad: int) -> bool:
    """Whether TensorFlow's 'SAME' (the larger half of the padding comes last) equals `pad` on both sides."""
    total = max((output - 1) * stride + kernel - size, 0)
    return output == -(-size // stride) and total // 2 == pad


def _shape(node: Any) -> tuple[int, ...]:
    """Shape of a node's value for batch 1, NCHW."""
    return tuple(node.meta["tensor_meta"].shape)


def _pair(value: int | Pair | None) -> Pair:
    if isinstance(value, int):
        return value, value
    if value is None:
        raise ArtifactError("an operator's size is not given")
    return value[0], value[1]
