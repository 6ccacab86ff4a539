"""Formats: what an artifact is. A file a format, which declares itself as FORMAT and is found here.

The host plans with what formats declare, so their files import converters and quantizers only where an
artifact is made (`convert`) or run (`runner`). A runtime (matrix.toml: frameworks) names the format it runs;
several may run one.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType

from bench.common.errors import ArtifactError, unknown
from bench.store.recipes import Parameter


@dataclass(frozen=True)
class Format:
    """What one format can be made by: its column of Table III, with parameters in its quantizer's own terms.

    `methods` are parameters by method; a recipe may override one by name (``format = "QOperator"``). A
    dataset with fewer images for calibration than a method asks for gives all it has, and the artifact says
    how many. `per_arch` adds parameters by method and architecture, where the artifact depends on what will
    run it. `packages` make it, and are named in its entry with their versions. `sources` are the files of
    bench/ that it is made by beside its own. `alone`: each artifact needs a process that made nothing
    before.
    """

    packages: tuple[str, ...]
    methods: Mapping[str, Mapping[str, Parameter]]
    per_arch: Mapping[str, Mapping[str, Mapping[str, Parameter]]] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    alone: bool = False

    def parameters(self, method: str, arch: str) -> dict[str, Parameter]:
        """Return the parameters of a method on `arch` ("any" where the artifact serves all)."""
        return {**self.methods[method], **self.per_arch.get(method, {}).get(arch, {})}


@functools.cache
def declared() -> Mapping[str, Format]:
    """Every format by its name, which is that of its file."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__))
    return {name: importlib.import_module(f"{__name__}.{name}").FORMAT for name in names}


def module(name: str) -> ModuleType:
    """The file of a format: FORMAT, `convert` and `runner`. Raises ArtifactError for a name that is none."""
    if name not in declared():
        raise ArtifactError(unknown("format", name, declared()))
    return importlib.import_module(f"{__name__}.{name}")
