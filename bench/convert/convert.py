"""The workshop: makes each recipe of a prepare spec, sharing what several of them start from."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.torch import load_file, save_file
from torch import nn

from bench.common.errors import ArtifactError
from bench.convert import formats, publishers
from bench.convert.models import MODELS, definition, probe, state
from bench.convert.original import Original
from bench.convert.wanted import dataset_recipe, recipes, starting_point
from bench.data import arrays, embedded, photographs
from bench.store import artifacts
from bench.store.artifacts import Artifact
from bench.store.recipes import Recipe

Run = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]

#: FP32 outputs of every framework must agree with torch's to this (largest absolute difference of logits).
FP32_TOLERANCE = 1e-3
#: A new artifact is compared with the reference on so many images, or as many as take this long (seconds).
_CHECK_IMAGES = 32
_CHECK_SECONDS = 5.0
_CHECK_BATCH = 4


class Workshop:
    """Makes recipes one after the other, keeping what several of them start from."""

    def __init__(
        self, spec: Mapping[str, Any], cache: Path, scratch: Path, progress: photographs.Progress
    ) -> None:
        self._spec = spec
        self._progress = progress
        self._cache = cache
        self._scratch = scratch
        self._recipes = {recipe.key: recipe for recipe in recipes(spec)}

    def make(self, recipe: Recipe) -> Artifact:
        """Make one artifact and store it; nothing is stored if anything goes wrong."""
        with artifacts.workspace(self._cache, recipe) as directory:
            if recipe.format == "dataset":
                facts = self._arrays(directory)
            elif recipe.format == "canonical":
                facts = self._canonical(recipe, directory)
            elif recipe.format == "reference":
                facts = self._reference(recipe, directory)
            else:
                facts = self._converted(recipe, directory)
            return artifacts.store(self._cache, recipe, directory, {"maker": self._spec["maker"], **facts})

    def _arrays(self, directory: Path) -> dict[str, Any]:
        data = self._spec.get("data")
        if not data:
            embedded.write(embedded.load(), directory)
            return _facts(("numpy",))
        listing = photographs.write(self._spec["dataset"], data, directory, self._progress)
        return _facts(("numpy", "pillow"), notes=list(listing.notes))

    def _canonical(self, recipe: Recipe, directory: Path) -> dict[str, Any]:
        if "file" in recipe.parameters:
            file = publishers.file_of(self._spec, recipe.model, str(recipe.parameters["file"]))
            module, notes = state.from_file(recipe.model, file), list[str]()
        else:
            fit = embedded.load().splits["fit"]
            module, notes = probe.probe(recipe.model, fit, recipe.seed, MODELS[recipe.model])
        tensors = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
        save_file(tensors, directory / "state.safetensors")
        return _facts(("torch", "torchvision"), notes=notes)

    def _reference(self, recipe: Recipe, directory: Path) -> dict[str, Any]:
        images = self._images("test")[: int(recipe.parameters["images"])]
        if "file" not in recipe.parameters:
            module = self._module(self._recipes[recipe.inputs[-1]])
            np.save(directory / "logits.npy", definition.logits(module, images))
            return _facts(("torch", "torchvision"))
        zoo = importlib.import_module(f"bench.convert.zoo_{recipe.parameters['kind']}")
        file = publishers.file_of(self._spec, recipe.model, str(recipe.parameters["file"]))
        np.save(directory / "logits.npy", zoo.logits(recipe.model, file, images))
        return _facts(zoo.PACKAGES, notes=[zoo.note(recipe.model)])

    def _converted(self, recipe: Recipe, directory: Path) -> dict[str, Any]:
        original, maker = self._original(recipe.format, recipe.model), formats.module(recipe.format)
        maker.convert(original, recipe.method, recipe.parameters, directory)
        reference = self._needed(starting_point(self._spec, recipe.format, recipe.model).reference)
        logits = np.load(reference.directory / "logits.npy")
        agreement = compare(self._check(maker.runner(directory), min(len(logits), _CHECK_IMAGES)), logits)
        if recipe.method == "FP32" and not agreement["max_abs"] <= FP32_TOLERANCE:
            raise ArtifactError(
                f"FP32 logits differ by {agreement['max_abs']:.2g} from those before conversion, "
                f"over {FP32_TOLERANCE:g}",
                where=recipe.label,
            )
        facts = _facts(maker.FORMAT.packages, agreement=agreement, notes=reference.entry["notes"])
        if "calibration_samples" in recipe.parameters:
            asked = int(recipe.parameters["calibration_samples"])
            facts["calibration_samples"] = min(asked, len(original.calibration))
        return facts

    def _check(self, run: Run, count: int) -> npt.NDArray[np.float32]:
        """Logits of the first test images: `count`, or fewer (four at least) of an artifact that is slow."""
        images, found, started = self._images("test"), [], time.monotonic()
        for start in range(0, count, _CHECK_BATCH):
            found.append(run(images[start : min(start + _CHECK_BATCH, count)]))
            if time.monotonic() - started > _CHECK_SECONDS:
                break
        return np.concatenate(found)

    def _images(self, part: str) -> arrays.Images:
        """Preprocessed images of a split, float32 NCHW (N, 3, 224, 224), normalised."""
        return arrays.open_images(self._needed(dataset_recipe(self._spec)).directory, part)

    @functools.lru_cache(maxsize=1)  # noqa: B019 - one workshop a process
    def _original(self, format_: str, model: str) -> Original:
        begin, calibration = starting_point(self._spec, format_, model), self._images("calibration")
        if begin.state:
            return Original(model, self._module(begin.state), calibration, self._scratch)
        file = publishers.file_of(self._spec, model, str(begin.published["file"]))
        return Original(model, None, calibration, self._scratch, file)

    def _module(self, recipe: Recipe) -> nn.Module:
        """The canonical module that a recipe is of."""
        module = definition.build(recipe.model)
        module.load_state_dict(load_file(self._needed(recipe).directory / "state.safetensors"))
        return module

    def _needed(self, recipe: Recipe) -> Artifact:
        found = artifacts.lookup(self._cache, recipe)
        if found is None:
            raise ArtifactError(f"not made, because it starts from {recipe.label}, which could not be made")
        return found


def compare(logits: npt.NDArray[np.float32], reference: npt.NDArray[np.float32]) -> dict[str, Any]:
    """How far logits (N, 1000) are from the FP32 reference (N or more): largest difference, equal top-1."""
    reference = reference[: len(logits)]
    return {
        "images": len(reference),
        "max_abs": float(np.abs(logits - reference).max()),
        "top1": float((logits.argmax(1) == reference.argmax(1)).mean()),
    }


def _facts(packages: tuple[str, ...], **more: Any) -> dict[str, Any]:
    return {"versions": {name: importlib.metadata.version(name) for name in packages}, "notes": [], **more}
