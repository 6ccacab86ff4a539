"""The `probe` weights: embedded, no network, the same bits on every machine.

A seeded initialisation which lets information through an untrained net, batch-norm statistics
calibrated on images, and a linear head fitted to the embedded labels. Raw random weights would not do:
activations shrink to 1e-9, top-1 means nothing, and arithmetic on denormals is unlike a trained net's.
All of it is computed as bench.convert.models.exact says, so that a set's weights can be made again elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from bench.common.errors import ArtifactError
from bench.convert.models import exact
from bench.convert.models.definition import build, head
from bench.convert.models.forward import DEPTHWISE_BITS, STEP, WEIGHT_BITS, ExactPass
from bench.data.embedded import Split, preprocess

_BATCH = 8
_CALIBRATION_IMAGES = 64
_MIXED = 1024  # a random matrix with as many rows and columns keeps angles without being orthogonal
_INVERSE_BITS = 40
_HEAD_BITS = 20  # of an image's weight in the head


def probe(model: str, fit: Split, seed: int, recipe: Mapping[str, float]) -> tuple[nn.Module, list[str]]:
    """Return the model with `probe` weights, and notes on how well its head fits.

    `recipe` is the model's entry in bench.convert.models.MODELS. The same seed gives the same weights, to the
    bit, on every machine. Raises ArtifactError for a model of other layers than these know.
    """
    source = np.random.PCG64(seed)
    module = build(model)
    _initialise(module, source, recipe["shift"], recipe["residual"])
    images = fit.images[: int(recipe["fit_samples"])]
    features = _calibrate(module, images, recipe["shift"])
    _, classifier = head(module)
    held_out = _fit_head(classifier, features, fit.labels[: len(images)], recipe["penalty"], source)
    return module.eval(), [f"probe head: leave-one-out accuracy {held_out:.3f}"]


def _initialise(module: nn.Module, source: np.random.PCG64, shift: float, residual: float) -> None:
    """Seed weights so that an image can still be told from another after tens of untrained layers.

    Orthogonal filters keep angles; batch norm adds `shift` before a rectifier, which then works mostly in
    its linear part; residual branches weigh `residual` against their skip, so that noise (a quantizer's,
    too) is not amplified block by block. That INT8 keeps most of the accuracy is thus a criterion by which
    this initialisation was chosen, not a finding about quantization.
    """
    for name, child in module.named_modules():
        if isinstance(child, (nn.Conv2d, nn.Linear)):
            drawn = exact.draw(source, tuple(child.weight.shape)).reshape(len(child.weight), -1)
            depthwise = getattr(child, "groups", 1) > 1
            if not depthwise and min(drawn.shape) <= _MIXED:
                drawn = exact.orthogonal(drawn)
            whole, unit = exact.coarse(drawn, DEPTHWISE_BITS if depthwise else WEIGHT_BITS)
            _set(child.weight, (whole * unit).reshape(child.weight.shape))
            if child.bias is not None:
                nn.init.zeros_(child.bias)
        elif not isinstance(child, nn.BatchNorm2d) and list(child.parameters(recurse=False)):
            raise ArtifactError(f"probe weights know no {type(child).__name__}", where=name)
    for first, second in _neighbours(module):
        if isinstance(first, nn.BatchNorm2d) and isinstance(second, (nn.ReLU, nn.ReLU6)):
            nn.init.constant_(first.bias, shift)
    for child in module.modules():
        if getattr(child, "use_res_connect", False):
            nn.init.constant_(child.conv[-1].weight, residual)


def _neighbours(module: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Pairs of leaf modules in order of definition, which is the order of execution in these models."""
    leaves = [child for child in module.modules() if not list(child.children())]
    return zip(leaves, leaves[1:])


def _calibrate(module: nn.Module, images: npt.NDArray[np.uint8], shift: float) -> npt.NDArray[np.float64]:
    """Set batch-norm statistics from a pass over the first images; return the classifier's inputs, (N, F).

    A model without batch norm (VGG-19) gets the same in its weights: each layer's outputs are brought to
    mean `shift` and deviation 1 per channel. Images are grey, (N, H, H).
    """
    layers = {
        name: child for name, child in module.named_modules() if isinstance(child, (nn.Conv2d, nn.Linear))
    }
    norms = {name: child for name, child in module.named_modules() if isinstance(child, nn.BatchNorm2d)}
    last, classifier = head(module)
    bare = {} if norms else {name: layer for name, layer in layers.items() if name != last}
    module.set_submodule(last, nn.Identity())
    body = ExactPass(module, dict.fromkeys(bare, shift))
    starts = [0, *range(_CALIBRATION_IMAGES, len(images), _BATCH)]
    batches = [images[start:end] for start, end in zip(starts, [*starts[1:], len(images)])]
    features = torch.cat([body.images(torch.from_numpy(preprocess(batch))) for batch in batches])
    module.set_submodule(last, classifier)
    for name, norm in norms.items():
        _set(norm.running_mean, body.statistics[name].mean)
        _set(norm.running_var, body.statistics[name].variance)
    for name, layer in bare.items():
        mean, deviation = body.statistics[name].mean, np.sqrt(body.statistics[name].variance)
        column = deviation.reshape(-1, *[1] * (layer.weight.ndim - 1))
        _set(layer.weight, layer.weight.detach().double().numpy() / column)
        _set(layer.bias, shift - mean / deviation)
    found: npt.NDArray[np.float64] = features.double().numpy()
    return found


def _fit_head(
    classifier: nn.Linear,
    features: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    penalty: float,
    source: np.random.PCG64,
) -> float:
    """Fit the classifier's first rows by ridge regression to the labels, +1 for its own class, -1 else.

    `penalty` is relative to the mean squared norm of a feature vector. That, and not standardising each
    feature, keeps the head off directions of little variance, which a quantizer rounds away. Features are
    multiples of STEP. Returns the leave-one-out accuracy (Hastie et al., The Elements of Statistical
    Learning, 2nd ed., equation 7.52).
    """
    classes, count = int(labels.max()) + 1, len(labels)
    targets = np.where(np.arange(classes) == labels[:, None], 1.0, -1.0)
    steps, offset = features / STEP, targets.sum(0) / count
    centre = steps.sum(0) / count * STEP
    gram = exact.product(steps, steps.T) * STEP**2
    means = np.array([math.fsum(row) / count for row in gram.tolist()])
    gram = gram - means[:, None] - means + math.fsum(means.tolist()) / count
    ridge = penalty * math.fsum(np.diag(gram).tolist()) / count
    solved = exact.inverse(gram + ridge * np.eye(count))
    whole, unit = exact.coarse(solved, _INVERSE_BITS)
    weights = (exact.product(whole, targets) - exact.product(whole, np.ones((count, 1))) * offset) * unit
    predicted = targets - weights * ridge / (ridge * np.diag(solved) - 1 / count)[:, None]
    whole, unit = exact.coarse(weights, _HEAD_BITS)
    rows = (exact.product(steps.T, whole) * STEP - centre[:, None] * whole.sum(0)).T * unit
    _set_head(classifier, rows, offset, centre, source)
    return float((predicted.argmax(1) == labels).mean())


def _set_head(
    classifier: nn.Linear,
    rows: npt.NDArray[np.float64],
    offset: npt.NDArray[np.float64],
    centre: npt.NDArray[np.float64],
    source: np.random.PCG64,
) -> None:
    """Put fitted rows (classes, F) into the classifier, and 1000 - classes silent ones after them.

    For features at `centre` (F,) the fitted logits are `offset`. A silent row is a tenth of a fitted one in
    size, and its mean logit -2, under the fitted logits (about -1 to 1) but within their range: no
    quantizer's scale is stretched or idle.
    """
    outputs, width = classifier.weight.shape
    spread = math.sqrt(exact.dot(rows.ravel(), rows.ravel()) / rows.size)
    silent = 0.1 * spread * exact.draw(source, (outputs - len(rows), width))
    every = np.concatenate([rows, silent])
    means = np.concatenate([offset, np.full(len(silent), -2.0)])
    _set(classifier.weight, every)
    _set(classifier.bias, means - [exact.dot(row, centre) for row in every])


def _set(kept: torch.Tensor, values: npt.NDArray[np.float64]) -> None:
    """Round values to a parameter's or buffer's float32."""
    with torch.no_grad():
        kept.copy_(torch.from_numpy(values.astype(np.float32)))
