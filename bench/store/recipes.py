"""Recipes: what an artifact is and everything it is made by, hashed into a key.

Pure standard library, Python 3.9: the host plans with it, the prepare image works through it.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Union

Parameter = Union[str, int, float, bool]
SCHEMA = 1


@dataclass(frozen=True)
class Recipe:
    """How one artifact is made; equal recipes give one key, on every machine.

    `format` is one of bench.convert.formats, or "dataset" (the arrays in data/), "canonical" (the FP32
    weights) or "reference" (FP32 logits of the model before any conversion). `weights` names the weights,
    which for torchvision's model in a zoo are "imagenet" too. `inputs` are the keys of the recipes it is
    made from, `lock` the SHA-256 of the prepare environment's lock file, `source` that of the code that
    makes it.
    """

    format: str
    method: str
    model: str
    weights: str
    dataset: str
    arch: str
    seed: int
    lock: str
    source: str
    inputs: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    @functools.cached_property
    def key(self) -> str:
        """SHA-256 (hex) of the recipe's canonical JSON."""
        text = json.dumps({"schema": SCHEMA, **asdict(self)}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def label(self) -> str:
        """Short name for messages: "torchscript INT8-SQ mobilenet_v2 amd64"."""
        return " ".join(word for word in (self.format, self.method, self.model, self.arch) if word != "any")
