"""The paper's three models, defined once: torchvision's architectures, one set of weights for all frameworks.

This file is pure data, importable on the host; `definition` (torch, torchvision) builds the modules.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Model -> how its `probe` weights are made. `fit_samples`: images the head is fitted on, fewer where a
#: forward pass is dear (VGG-19: 39 GFLOP an image, MobileNetV2: 0.6). `shift`: what batch norm adds before
#: a rectifier, in standard deviations. `residual`: gain of a residual branch against its skip connection.
MODELS: Mapping[str, Mapping[str, float]] = {
    "mobilenet_v2": {"fit_samples": 1200, "shift": 1.0, "residual": 0.1},
    "vgg19": {"fit_samples": 200, "shift": 1.0, "residual": 1.0},
    "densenet121": {"fit_samples": 400, "shift": 1.0, "residual": 1.0},
}
