"""One published file of weights, as matrix.toml names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from bench.plan.tables import rule


@dataclass(frozen=True)
class Published:
    """One published file of weights: whose format, what its content is, where it is.

    `kind` "torch" is torchvision's checkpoint, "keras" Keras Applications' HDF5 file (for these two the
    publisher's package knows the `url`), "onnx" a model of the ONNX model zoo. The content is named by its
    `sha256`, or by the beginning of it or the `md5` where the publisher gives no more.
    """

    kind: Annotated[str, rule(enum=["torch", "keras", "onnx"])]
    sha256: Annotated[str, rule(pattern="^$|^[0-9a-f]{8,64}$")] = ""
    md5: Annotated[str, rule(pattern="^$|^[0-9a-f]{32}$")] = ""
    url: str = ""

    @property
    def pin(self) -> str:
        """What the content must hash to: the SHA-256 (or its beginning), else "md5:" and the MD5."""
        return self.sha256 or f"md5:{self.md5}"
