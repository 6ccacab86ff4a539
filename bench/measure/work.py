"""What the cells of one launch share: the verified artifact, its backend, the images."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common import hashing
from bench.common.errors import UsageError
from bench.device import environment
from bench.device.machine import Sensors
from bench.measure.samples import open_images
from bench.runtimes import base
from bench.runtimes.evidence import Quantization

if TYPE_CHECKING:
    from bench.runtimes.base import Backend


class Work:
    """What the cells of a launch share: the verified artifact, its backend, the images."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec
        self.run = Path(spec["results"])
        self.artifact = Path(spec["artifact"])
        hashing.verify(self.artifact, spec["artifact_sha256"])
        self.machine = Sensors(relay=Path(spec["relay"]) if spec["relay"] else None)
        self.images = open_images(Path(spec["data"]))
        first = spec["cells"][0]
        for fact in ("framework", "model", "method", "isa"):
            if len({cell[fact] for cell in spec["cells"]}) > 1:
                raise UsageError(f"the cells of one launch differ in {fact}")
        self.options = base.Options(
            Quantization.of(spec["method"]), spec["threads"], first["isa"], spec["isa_environment"]
        )
        self.baseline_bytes = environment.anonymous_memory()  # of the interpreter, before the framework
        module = base.module(first["framework"], self.options)
        started = time.perf_counter()
        self.backend: Backend = module.load(self.artifact, self.options)
        self.load_seconds = time.perf_counter() - started
        self.emulated: bool = spec["emulated"]
        self.sample_seconds = 0.0  # of the cell that was warmed up last
        self._verified = False

    def verify(self) -> None:
        """Raise ArtifactError unless images, labels and reference are what was prepared, by their hashes."""
        if not self._verified:
            for name in ("data", "reference"):
                hashing.verify(Path(self.spec[name]), self.spec[f"{name}_sha256"])
            self._verified = True
