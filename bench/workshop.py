"""The workshop: makes each recipe of a prepare spec, sharing what several of them start from."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.torch import load_file, save_file

from bench import artifacts, datasets
from bench.artifacts import Artifact
from bench.errors import ArtifactError
from bench.models import MODELS, definition, weights
from bench.quantization.source import Source
from bench.recipes import Recipe, recipes

#: FP32 outputs of every framework must agree with torch's to this (largest absolute difference of logits).
FP32_TOLERANCE = 1e-3
#: Test images on which a new artifact is compared with the reference, where not all of the reference's.
_CHECKED = {"INT16x8": 4}  # TFLite's reference kernels: 0.3 s an image


class Workshop:
    """Makes recipes one after the other, keeping what several of them start from."""

    def __init__(self, spec: Mapping[str, Any], cache: Path, scratch: Path) -> None:
        self._spec = spec
        self._cache = cache
        self._scratch = scratch
        self._recipes = {(r.framework, r.model): r for r in recipes(spec)}

    def make(self, recipe: Recipe) -> Artifact:
        """Make one artifact and store it; nothing is stored if anything goes wrong."""
        with artifacts.workspace(self._cache, recipe) as directory:
            if recipe.framework == "dataset":
                datasets.write(self._dataset, directory)
                facts = _facts(("numpy",))
            elif recipe.framework == "canonical":
                facts = self._canonical(recipe, directory)
            elif recipe.framework == "reference":
                facts = self._reference(recipe, directory)
            else:
                facts = self._converted(recipe, directory)
            return artifacts.store(self._cache, recipe, directory, facts)

    def _canonical(self, recipe: Recipe, directory: Path) -> dict[str, Any]:
        if recipe.weights == "file":
            module = weights.from_file(recipe.model, Path(self._spec["weights_files"][recipe.model]))
            notes = ["a user's file: accuracy means something only on the classes it was trained for"]
        else:
            fit = self._dataset.splits["fit"]
            module, notes = weights.probe(recipe.model, fit, recipe.seed, MODELS[recipe.model])
        state = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
        save_file(state, directory / "state.safetensors")
        return _facts(("torch", "torchvision"), notes=notes)

    def _reference(self, recipe: Recipe, directory: Path) -> dict[str, Any]:
        images = self._images("test")[: int(recipe.parameters["images"])]
        np.save(directory / "logits.npy", definition.logits(self._source(recipe.model).module, images))
        return _facts(("torch", "torchvision"))

    def _converted(self, recipe: Recipe, directory: Path) -> dict[str, Any]:
        source = self._source(recipe.model)
        framework = importlib.import_module(f"bench.quantization.{recipe.framework}")
        framework.convert(source, recipe.method, recipe.parameters, directory)
        reference = np.load(self._needed("reference", recipe.model).directory / "logits.npy")
        count = _CHECKED.get(recipe.method, len(reference))
        agreement = compare(framework.logits(directory, self._images("test")[:count]), reference[:count])
        if recipe.method == "FP32" and not agreement["max_abs"] <= FP32_TOLERANCE:
            raise ArtifactError(
                f"FP32 logits differ from torch's by {agreement['max_abs']:.2g}, over {FP32_TOLERANCE:g}",
                where=recipe.label,
            )
        return _facts(framework.PACKAGES, agreement=agreement)

    @functools.cached_property
    def _dataset(self) -> datasets.Dataset:
        return datasets.load(self._spec["dataset"])

    def _images(self, part: str) -> npt.NDArray[np.float32]:
        """Preprocessed images of a split, float32 NCHW (N, 3, 224, 224), memory-mapped."""
        directory = self._needed("dataset", "any").directory
        images: npt.NDArray[np.float32] = np.load(directory / f"{part}-images.npy", mmap_mode="r")
        return images

    @functools.lru_cache(maxsize=1)  # noqa: B019 - one workshop a process
    def _source(self, model: str) -> Source:
        module = definition.build(model)
        module.load_state_dict(load_file(self._needed("canonical", model).directory / "state.safetensors"))
        return Source(model, module, self._images("calibration"), self._scratch)

    def _needed(self, framework: str, model: str) -> Artifact:
        recipe = self._recipes[framework, model]
        found = artifacts.lookup(self._cache, recipe)
        if found is None:
            raise ArtifactError(f"not made, because it starts from {recipe.label}, which could not be made")
        return found


def compare(logits: npt.NDArray[np.float32], reference: npt.NDArray[np.float32]) -> dict[str, Any]:
    """How far logits (N, 1000) are from the FP32 reference: largest difference, share of equal top-1."""
    return {
        "images": len(reference),
        "max_abs": float(np.abs(logits - reference).max()),
        "top1": float((logits.argmax(1) == reference.argmax(1)).mean()),
    }


def _facts(packages: tuple[str, ...], **more: Any) -> dict[str, Any]:
    return {"versions": {name: importlib.metadata.version(name) for name in packages}, "notes": [], **more}
