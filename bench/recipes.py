"""Recipes: what an artifact is and everything it is made by, hashed into a key.

Pure standard library, Python 3.9: the host plans with it, the prepare image works through it.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import ArtifactError, unknown
from bench.quantization import METHODS, PER_ARCH, Parameter, parameters

SCHEMA = 1
_PACKAGE = Path(__file__).parent
_CHUNK = 1 << 20

#: What an artifact is made by, besides the artifacts it is made from: files of this package.
_SOURCES: Mapping[str, tuple[str, ...]] = {
    "dataset": ("datasets",),
    "canonical": ("models",),
    "reference": ("models",),
    "pytorch": ("quantization/pytorch.py",),
    "tflite": ("quantization/tflite.py", "quantization/tflite_graph.py"),
    "onnxruntime": ("quantization/onnxruntime.py",),
    "openvino": ("quantization/onnxruntime.py", "quantization/openvino.py"),
}


@dataclass(frozen=True)
class Recipe:
    """How one artifact is made; equal recipes give one key, on every machine.

    `framework` is one of the four, or "dataset" (the arrays in data/), "canonical" (the FP32 weights) or
    "reference" (FP32 logits of torch). `inputs` are the keys of the recipes it is made from, `lock` the
    SHA-256 of the prepare environment's lock file, `source` that of the code that makes it.
    """

    framework: str
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
        """Short name for messages: "pytorch INT8-SQ mobilenet_v2 amd64"."""
        return " ".join(
            word for word in (self.framework, self.method, self.model, self.arch) if word != "any"
        )


@functools.cache
def source_hash(framework: str) -> str:
    """SHA-256 over the committed files that make this framework's artifacts (code and embedded data)."""
    files: list[Path] = []
    for name in _SOURCES[framework]:
        path = _PACKAGE / name
        found = path.rglob("*") if path.is_dir() else [path]
        files += [p for p in found if p.suffix in {".py", ".npz"} and not p.name.startswith("make_")]
    return digest_lines((sha256_file(p), p.relative_to(_PACKAGE).as_posix()) for p in files)


def recipes(spec: Mapping[str, Any]) -> list[Recipe]:
    """All recipes a prepare spec asks for, each after those it is made from.

    Raises ArtifactError for a spec of another schema or a (framework, method) no framework has.
    """
    if spec.get("schema") != SCHEMA:
        raise ArtifactError(f"prepare spec has schema {spec.get('schema')!r}, expected {SCHEMA}")
    data = dataset_recipe(spec["dataset"])
    found = [data]
    for model in spec["models"]:
        state = _recipe(spec, "canonical", "FP32", model, inputs=(data.key,), params=_weights(spec, model))
        reference = _recipe(
            spec, "reference", "FP32", model, inputs=(data.key, state.key), params={"images": 32}
        )
        found += [state, reference]
        for wanted in spec["wanted"]:
            found += _wanted(spec, wanted, model, (data.key, state.key))
    return found


def dataset_recipe(dataset: str) -> Recipe:
    """Recipe of the preprocessed arrays: numpy only, so the same on every architecture and lock."""
    return Recipe(
        framework="dataset", method="FP32", model="any", weights="any", dataset=dataset, arch="any",
        seed=0, lock="", source=source_hash("dataset"),
    )  # fmt: skip


def _recipe(
    spec: Mapping[str, Any],
    framework: str,
    method: str,
    model: str,
    *,
    inputs: tuple[str, ...],
    params: Mapping[str, Parameter],
    arch: str = "any",
) -> Recipe:
    return Recipe(
        framework=framework, method=method, model=model, weights=spec["weights"], dataset=spec["dataset"],
        arch=arch, seed=spec["seed"], lock=spec["lock"], source=source_hash(framework),
        inputs=inputs, parameters=params,
    )  # fmt: skip


def _wanted(
    spec: Mapping[str, Any], wanted: Mapping[str, Any], model: str, inputs: tuple[str, ...]
) -> list[Recipe]:
    framework, method = wanted["framework"], wanted["method"]
    if (framework, method) not in METHODS:
        known = (f"{f} {m}" for f, m in METHODS)
        raise ArtifactError(
            unknown("framework and method", f"{framework} {method}", known), where="prepare spec"
        )
    overrides: Mapping[str, Parameter] = wanted.get("parameters", {})
    made = []
    for arch in spec["arches"] if (framework, method) in PER_ARCH else ("any",):
        params = parameters(framework, method, arch)
        for name in overrides:
            if name not in params:
                raise ArtifactError(unknown("parameter", name, params), where=f"{framework} {method}")
        made.append(
            _recipe(spec, framework, method, model, inputs=inputs, params={**params, **overrides}, arch=arch)
        )
    return made


def _weights(spec: Mapping[str, Any], model: str) -> dict[str, Parameter]:
    """Identity of the weights: nothing for a seeded source, the content hash for a user's file."""
    if spec["weights"] != "file":
        return {}
    try:
        return {"sha256": sha256_file(Path(spec["weights_files"][model]))}
    except KeyError:
        raise ArtifactError(
            f"weights = 'file' but no file is named for {model}",
            where="prepare spec",
            remedy=f'give "weights_files": {{"{model}": "/path/to/{model}.safetensors"}}',
        ) from None


def sha256_file(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def digest_lines(pairs: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over the sorted lines "<sha256>  <name>"."""
    lines = sorted(f"{digest}  {name}\n" for digest, name in pairs)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
