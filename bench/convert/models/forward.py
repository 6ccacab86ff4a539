"""The exact forward pass of an untrained model: what its layers give, and the statistics of that.

Weights are integers of few bits times a power of two, activations are rounded to multiples of STEP: so the
sums of convolutions, layers and statistics are exact (see bench.convert.models.exact), in float64, for which
torch has no algorithm but the plain product. Between layers float32 holds the activations, exactly.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import fx, nn
from torch.nn import functional

from bench.common.errors import ArtifactError
from bench.convert.models import exact

WEIGHT_BITS = 15
#: With so few a depthwise layer's sums are exact in float32 too; in float64 torch makes a call a channel.
DEPTHWISE_BITS = 7
STEP = 2.0**-12
_LIMIT = 2.0**11  # of an activation, which then has 23 bits: in float32 even the sum of two is exact
_EXACT32 = 2.0**24
#: What takes, compares and copies values, or adds two.
_PLAIN = (nn.ReLU, nn.ReLU6, nn.MaxPool2d, nn.Dropout, nn.Identity)
_FUNCTIONS = (functional.relu, torch.flatten, torch.cat, operator.add)


@dataclass(frozen=True)
class Statistics:
    """Exact mean and variance of each channel, rounded once to float64, (C,)."""

    mean: npt.NDArray[np.float64]
    variance: npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Weight:
    """A layer's weight over STEP, and the largest sum of its magnitudes over one output, in its own units."""

    value: torch.Tensor
    largest: float


class ExactPass(fx.Interpreter):  # type: ignore[misc]
    """Runs a module of torchvision on images float32 NCHW, to the same bits on every machine.

    Each batch norm standardises by the statistics of the first batch, and so does each layer in `bare`, those
    of a model without batch norm: to deviation 1 and the given mean. `statistics` are by module name.
    """

    def __init__(self, module: nn.Module, bare: Mapping[str, float]) -> None:
        super().__init__(fx.symbolic_trace(module))
        self.statistics: dict[str, Statistics] = {}
        self._bare = bare
        self._weights: dict[str, _Weight] = {}

    def images(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the module's outputs for a batch (N, C, H, W)."""
        with torch.inference_mode():
            output: torch.Tensor = self.run(_each(batch, lambda one: one / STEP))
        return output

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a layer; ArtifactError for one of a kind without an exact rule."""
        layer = self.fetch_attr(target)
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            made = self._product(target, layer, args[0])
            return self._standardised(target, made, 1.0, self._bare[target]) if target in self._bare else made
        if isinstance(layer, nn.BatchNorm2d):
            return self._standardised(target, args[0], layer.weight, layer.bias, layer.eps)
        if isinstance(layer, nn.AvgPool2d):
            return _each(args[0], lambda one: layer(one) / STEP)
        if isinstance(layer, nn.AdaptiveAvgPool2d):
            return _adaptive(args[0], layer.output_size)
        if not isinstance(layer, _PLAIN):
            raise ArtifactError(f"probe weights know no {type(layer).__name__}", where=str(target))
        return super().call_module(target, args, kwargs)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a function, as `call_module` a layer."""
        if target is functional.adaptive_avg_pool2d:
            return _adaptive(*args, **kwargs)
        if target not in _FUNCTIONS:
            raise ArtifactError(f"probe weights know no {getattr(target, '__name__', target)}")
        return super().call_function(target, args, kwargs)

    def _product(self, name: str, layer: nn.Conv2d | nn.Linear, x: torch.Tensor) -> torch.Tensor:
        if name not in self._weights:
            whole, unit = exact.coarse(layer.weight.detach().double().numpy(), WEIGHT_BITS)
            largest = float(np.abs(whole).reshape(len(whole), -1).sum(1).max())
            self._weights[name] = _Weight(torch.from_numpy(whole * (unit / STEP)), largest)
        weight, bound = self._weights[name], _largest(x) / STEP * self._weights[name].largest
        if not bound < exact.EXACT:
            raise ArtifactError("sums too large to be exact", where=name)
        if isinstance(layer, nn.Linear):
            return _each(x, lambda one: functional.linear(one, weight.value))
        wide = torch.float64
        if layer.groups > 1 and bound / 2.0 ** (WEIGHT_BITS - DEPTHWISE_BITS) < _EXACT32:
            wide = torch.float32
            x = x.contiguous(memory_format=torch.channels_last)  # else torch may take Winograd's, on arm64
        assert not isinstance(layer.padding, str)  # torchvision gives numbers
        shape = layer.stride, layer.padding, layer.dilation, layer.groups
        value = weight.value.to(wide)
        return _each(x, lambda one: functional.conv2d(one.to(wide), value, None, *shape).double())

    def _standardised(
        self, name: str, x: torch.Tensor, gain: Any, shift: Any, eps: float = 0.0
    ) -> torch.Tensor:
        if name not in self.statistics:
            self.statistics[name] = _statistics(x)
        found, row = self.statistics[name], (-1, *[1] * (x.ndim - 2))
        kept = found.mean.astype(np.float32), found.variance.astype(np.float32)  # as the model will have them
        deviation = np.sqrt(kept[1].astype(np.float64) + eps)  # not torch's, which asks a library
        mean = torch.from_numpy(kept[0].astype(np.float64)).reshape(row)
        scale = (gain / torch.from_numpy(deviation)).reshape(row) / STEP
        offset = (shift.double().reshape(row) if isinstance(shift, torch.Tensor) else shift) / STEP
        return _each(x, lambda one: one.sub_(mean).mul_(scale).add_(offset))


def _each(x: torch.Tensor, work: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Apply `work` (float64 to float64, its results in steps) image by image, and round.

    One by one, since a convolution of many in float64 copies each of them nine times.
    """
    made = None
    for index in range(len(x)):
        one = work(x[index : index + 1].double()).round_().mul_(STEP)
        if not _largest(one) < _LIMIT:
            raise ArtifactError(f"the probe's activations are not all under {_LIMIT:g}")
        if made is None:
            made = torch.empty(len(x), *one.shape[1:])
        made[index] = one[0]
    assert made is not None  # no batch is empty
    return made


def _largest(x: torch.Tensor) -> float:
    low, high = torch.aminmax(x)
    return max(-float(low), float(high))


def _adaptive(x: torch.Tensor, size: Any) -> torch.Tensor:
    """Adaptive average pooling to one value, or to what is there."""
    if tuple(x.shape[2:]) in (size, (size, size)):
        return x
    if size not in (1, (1, 1)):
        raise ArtifactError(f"no exact adaptive pool from {tuple(x.shape[2:])} to {size}")
    count = x.shape[2] * x.shape[3]
    return _each(x, lambda one: one.sum((2, 3), keepdim=True).div_(count).div_(STEP))


def _statistics(x: torch.Tensor) -> Statistics:
    """Mean and variance (of a sample, as batch norm keeps it) of each channel of (N, C, ...)."""
    totals, squares = [0] * x.shape[1], [0] * x.shape[1]  # Python's integers are of any size
    for one in x:
        steps = (one / STEP).to(torch.int64).reshape(len(one), -1)
        totals = [sum(pair) for pair in zip(totals, steps.sum(1).tolist())]
        squares = [sum(pair) for pair in zip(squares, (steps * steps).sum(1).tolist())]
    count = x.numel() // x.shape[1]
    mean = [total / count for total in totals]  # and their quotient is rounded once
    variance = [(count * square - total**2) / (count * (count - 1)) for total, square in zip(totals, squares)]
    return Statistics(np.array(mean) * STEP, np.array(variance) * STEP**2)
