"""Published weights: what the matrix says of a file, and where its publisher keeps it.

torchvision and Keras know the addresses of their own files, so the kit asks them (`python -m bench
sources SPEC`, in the prepare image) and pins content, not places. Pure standard library to import.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.common.errors import ArtifactError, UsageError, unknown
from bench.common.events import Emit
from bench.common.hashing import sha256_file

SCHEMA = 1

#: Model -> the function of keras.applications that builds it.
KERAS: Mapping[str, str] = {"mobilenet_v2": "MobileNetV2", "vgg19": "VGG19", "densenet121": "DenseNet121"}


def digest(path: Path, pin: str) -> str:
    """Return the hash of a file in the form of a pin (see Published.pin)."""
    if not pin.startswith("md5:"):
        return sha256_file(path)
    found = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as stream:
        while chunk := stream.read(1 << 20):
            found.update(chunk)
    return f"md5:{found.hexdigest()}"


def check(path: Path, pin: str) -> None:
    """Raise ArtifactError unless a file's content is what a pin says."""
    found = digest(path, pin)
    if not found.startswith(pin):
        kind = "MD5" if pin.startswith("md5:") else "SHA-256"
        names = [text.rpartition(":")[2] for text in (found, pin)]
        raise ArtifactError(f"the content has {kind} {names[0]}, expected {names[1]}", where=str(path))


def file_of(spec: Mapping[str, Any], model: str, pin: str) -> Path:
    """Return the file that a prepare spec names for a model's weights, after checking its content."""
    named = [spec.get("weights_files", {}).get(model, {}), *spec.get("zoo_files", {}).get(model, {}).values()]
    [path, *_] = [Path(file["path"]) for file in named if file.get("sha256") == pin]
    check(path, pin)
    return path


def locate(spec_path: str, emit: Emit) -> int:
    """Emit where each file of a spec is: {"event": "source", "kind", "model", "url", "file"}.

    The spec is {"schema": 1, "wanted": [{"kind": "torch" or "keras", "model": ...}]}. Returns 0; raises
    UsageError for what is not one, ArtifactError for a model the publisher does not have.
    """
    try:
        spec = json.loads(Path(spec_path).read_text(encoding="utf-8"))
        wanted = [(row["kind"], row["model"]) for row in spec["wanted"]]
        if spec["schema"] != SCHEMA:
            raise ValueError(f"schema {spec['schema']!r}, expected {SCHEMA}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"not a sources spec: {error!r}", where=spec_path) from error
    publishers = {"torch": _torchvision, "keras": _keras}
    for kind, model in wanted:
        if kind not in publishers:
            raise UsageError(unknown("publisher", kind, publishers), where=spec_path)
        url, file = publishers[kind](model)
        emit({"event": "source", "kind": kind, "model": model, "url": url, "file": file})
    return 0


def _torchvision(model: str) -> tuple[str, str]:
    """Address and name of torchvision's first ImageNet weights, those of the papers."""
    from bench.convert.models.definition import torchvision_models

    try:
        url = str(torchvision_models().get_model_weights(model)["IMAGENET1K_V1"].url)
    except (KeyError, ValueError) as error:
        raise ArtifactError(f"torchvision publishes no weights of {model}: {error}") from error
    return url, url.rpartition("/")[2]


class _AskedFor(Exception):  # noqa: N818 - no error: it carries what Keras would download
    pass


def _keras(model: str) -> tuple[str, str]:
    """Address and name of the file that Keras Applications would download, which it only says by trying."""
    if model not in KERAS:
        raise ArtifactError(unknown("model of Keras Applications", model, KERAS))
    build = getattr(importlib.import_module("keras.applications"), KERAS[model])
    module = importlib.import_module(build.__module__)

    def get_file(fname: str, origin: str, **_: object) -> None:
        raise _AskedFor(origin, fname)

    original = module.file_utils.get_file
    module.file_utils.get_file = get_file
    try:
        build(weights="imagenet")
    except _AskedFor as asked:
        url, file = asked.args
        return str(url), str(file)
    finally:
        module.file_utils.get_file = original
    raise ArtifactError(f"Keras Applications asked for no weights of {model}")
