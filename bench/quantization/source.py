"""What every conversion starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import nn


@dataclass(frozen=True, eq=False)
class Source:
    """The canonical model and what may be used to convert it.

    `module`: FP32, eval mode, input float32 NCHW (N, 3, 224, 224), output logits (N, 1000).
    `calibration`: float32 NCHW, normalised, memory-mapped; never a test image.
    `scratch`: a directory for intermediate files, shared by the conversions of one model.
    """

    model: str
    module: nn.Module
    calibration: npt.NDArray[np.float32]
    scratch: Path
