"""What every conversion starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.arrays import Images

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class Original:
    """The canonical model and what may be used to convert it.

    `module`: FP32, eval mode, input float32 NCHW (N, 3, 224, 224), output logits (N, 1000).
    `calibration`: float32 NCHW, normalised when sliced or indexed; never a test image.
    `published`: a framework's own model file, converted in the module's place (which is then None).
    `scratch`: a directory for intermediate files, shared by the conversions of one model.
    """

    model: str
    module: nn.Module | None
    calibration: Images
    scratch: Path
    published: Path | None = None
