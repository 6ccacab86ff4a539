"""The `probe` weights: embedded, no network.

A seeded initialisation which lets information through an untrained net, batch-norm statistics
calibrated on images, and a linear head fitted to the embedded labels. Raw random weights would not do:
activations shrink to 1e-9, top-1 means nothing, and arithmetic on denormals is unlike a trained net's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from bench.convert.models.definition import build, head
from bench.data.embedded import Split, preprocess

_BATCH = 8  # activations stay in cache: three times faster than 50
_CALIBRATION_IMAGES = 64


def probe(model: str, fit: Split, seed: int, recipe: Mapping[str, float]) -> tuple[nn.Module, list[str]]:
    """Return the model with `probe` weights, and notes on how well its head fits.

    `recipe` is the model's entry in bench.convert.models.MODELS. The same seed, machine type and thread count
    give the same weights; what travels is the artifact, never the recipe alone.
    """
    torch.manual_seed(seed)
    module = build(model)
    _initialise(module, recipe["shift"], recipe["residual"])
    module.to(memory_format=torch.channels_last)
    _calibrate(module, fit, recipe["shift"])
    count = int(recipe["fit_samples"])
    features = _features(module, fit.images[:count])
    _, classifier = head(module)
    penalty, held_out = _fit_head(classifier, features, fit.labels[:count])
    return module.eval(), [f"probe head: ridge penalty {penalty:.2g}, leave-one-out accuracy {held_out:.3f}"]


def _initialise(module: nn.Module, shift: float, residual: float) -> None:
    """Seed weights so that an image can still be told from another after tens of untrained layers.

    Orthogonal filters keep angles; batch norm adds `shift` before a rectifier, which then works mostly in
    its linear part; residual branches weigh `residual` against their skip, so that noise (a quantizer's,
    too) is not amplified block by block. That INT8 keeps most of the accuracy is thus a criterion by which
    this initialisation was chosen, not a finding about quantization.
    """
    for child in module.modules():
        if isinstance(child, nn.Linear) or (isinstance(child, nn.Conv2d) and child.groups == 1):
            nn.init.orthogonal_(child.weight)
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


def _calibrate(module: nn.Module, fit: Split, shift: float) -> None:
    """Set batch-norm statistics from one pass over images.

    A model without batch norm (VGG-19) gets the same in its weights: each layer's outputs are brought to
    mean `shift` and deviation 1 per channel, in order of execution, within the one pass.
    """
    norms = [child for child in module.modules() if isinstance(child, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative: the one batch sets the statistics
        norm.train()

    def standardise(layer: nn.Module, _: object, output: torch.Tensor) -> torch.Tensor:
        axes = [axis for axis in range(output.ndim) if axis != 1]
        deviation, mean = torch.std_mean(output, axes)
        column = (-1, *[1] * (layer.weight.ndim - 1))
        layer.weight.div_(deviation.reshape(column))
        layer.bias.sub_(mean).div_(deviation).add_(shift)
        row = (1, -1, *[1] * (output.ndim - 2))
        return (output - mean.reshape(row)) / deviation.reshape(row) + shift

    _, classifier = head(module)
    layers = [child for child in module.modules() if isinstance(child, (nn.Conv2d, nn.Linear))]
    bare = [] if norms else [layer for layer in layers if layer is not classifier]
    hooks = [layer.register_forward_hook(standardise) for layer in bare]
    with torch.no_grad():
        module(_inputs(fit.images[:_CALIBRATION_IMAGES]))
    for hook in hooks:
        hook.remove()
    module.eval()


def _features(module: nn.Module, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Inputs of the classifier, (N, F), for grey images (N, H, H)."""
    name, classifier = head(module)
    module.set_submodule(name, nn.Identity())
    with torch.inference_mode():
        traced = torch.jit.trace(module, _inputs(images[:_BATCH]))
        body = torch.jit.optimize_for_inference(torch.jit.freeze(traced))  # twice as fast as eager
        batches = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
        outputs = torch.cat([body(_inputs(batch)) for batch in batches])
    module.set_submodule(name, classifier)
    features: npt.NDArray[np.float64] = outputs.double().numpy()
    return features


def _inputs(images: npt.NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(preprocess(images)).contiguous(memory_format=torch.channels_last)


def _fit_head(
    classifier: nn.Linear, features: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """Fit the classifier's first rows by ridge regression to the labels, +1 for its own class, -1 else.

    The penalty is the largest whose leave-one-out squared error is within one standard error of the least
    (Hastie et al., The Elements of Statistical Learning, 2nd ed., section 7.10; ridge has the error in
    closed form, equation 7.52). That, and not standardising each feature, keeps the head off directions of
    little variance, which a quantizer rounds away. Returns the penalty, relative to the mean squared norm
    of a feature vector, and the leave-one-out accuracy.
    """
    classes = int(labels.max()) + 1
    targets = np.where(np.arange(classes) == labels[:, None], 1.0, -1.0)
    centre, offset = features.mean(0), targets.mean(0)
    centred = features - centre
    values, vectors = np.linalg.eigh(centred @ centred.T)
    values = np.maximum(values, 0)
    rotated = vectors.T @ (targets - offset)

    def left_out(penalty: float) -> npt.NDArray[np.float64]:
        """Predictions (N, classes) for each image by the fit without it."""
        shrink = values / (values + penalty)
        residual = targets - offset - vectors @ (shrink[:, None] * rotated)
        leverage = np.square(vectors) @ shrink + 1 / len(targets)
        predicted: npt.NDArray[np.float64] = targets - residual / (1 - leverage)[:, None]
        return predicted

    scale = float(values.mean())
    penalties = scale * 10.0 ** np.arange(-4, 2, 0.25)
    errors = np.array([np.square(left_out(penalty) - targets).sum(1) for penalty in penalties])
    least = errors.mean(1).argmin()
    bound = errors[least].mean() + errors[least].std() / np.sqrt(len(targets))
    best = float(penalties[errors.mean(1) <= bound].max())
    rows = (centred.T @ (vectors @ (rotated / (values + best)[:, None]))).T
    _set_head(classifier, rows, offset - rows @ centre, centre)
    return best / scale, float((left_out(best).argmax(1) == labels).mean())


def _set_head(
    classifier: nn.Linear,
    rows: npt.NDArray[np.float64],
    bias: npt.NDArray[np.float64],
    centre: npt.NDArray[np.float64],
) -> None:
    """Put fitted rows (classes, F) and bias into the classifier, and 1000 - classes silent ones after them.

    A silent row is a tenth of a fitted one in size, and its bias puts its mean logit at -2, under the
    fitted logits (about -1 to 1) but within their range: no quantizer's scale is stretched or idle.
    """
    outputs, width = classifier.weight.shape
    silent = 0.1 * float(rows.std()) * torch.randn(outputs - len(rows), width, dtype=torch.float64)
    with torch.no_grad():
        classifier.weight.copy_(torch.cat([torch.from_numpy(rows), silent]))
        silent_bias = -2.0 - silent @ torch.from_numpy(centre)
        classifier.bias.copy_(torch.cat([torch.from_numpy(bias), silent_bias]))
