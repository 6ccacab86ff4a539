"""Build the canonical modules from torchvision."""

from __future__ import annotations

import functools
import importlib
import sys
from types import ModuleType

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from bench.common.errors import ArtifactError, unknown
from bench.convert.models import MODELS


def build(model: str) -> nn.Module:
    """Return torchvision's module: input float32 NCHW (N, 3, 224, 224), output logits (N, 1000), eval mode.

    Its parameters are torchvision's random draw under the current seed; `weights` sets them.
    """
    if model not in MODELS:
        raise ArtifactError(unknown("model", model, MODELS))
    module: nn.Module = getattr(torchvision_models(), model)(weights=None)
    return module.eval()


def head(module: nn.Module) -> tuple[str, nn.Linear]:
    """Return the name and module of the classifier: the last linear layer of all three models."""
    return [(name, child) for name, child in module.named_modules() if isinstance(child, nn.Linear)][-1]


def logits(module: nn.Module, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Run the canonical module eagerly on images (N, 3, 224, 224); returns (N, 1000)."""
    with torch.inference_mode():
        output: npt.NDArray[np.float32] = module(torch.from_numpy(images.copy())).numpy()
    return output


@functools.cache
def torchvision_models() -> ModuleType:
    """Import torchvision.models, with or without torchvision's compiled operators.

    They load only beside the very torch they were built for, and torchvision fails to import without
    ``nms`` and ``qnms`` declared; the classification models use neither. So declare them and try again.
    """
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    for operator in ("nms", "qnms"):
        _OPERATORS.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return importlib.import_module("torchvision.models")


_OPERATORS = torch.library.Library("torchvision", "FRAGMENT")  # declarations live as long as this object
