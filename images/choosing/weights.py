"""Which weights a run measures, by the word that names them, and the files they come from.

A word is `probe` (embedded), `imagenet` (torchvision's published files), `zoo` (each format's own
published files) or `file:PATH` (the user's own). Published files are fetched only when an artifact has to
be made from them: a machine that imported its artifacts needs none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.common import files as disk
from bench.common.errors import ArtifactError, UsageError, unknown
from bench.common.hashing import sha256_file
from bench.plan.published import Published

SOURCES = ("probe", "imagenet", "zoo", "file")
SUFFIXES = (".safetensors", ".pth", ".pt")
REMEMBERED = 32 << 20  # bytes; a smaller file is hashed faster than its hash is looked up


@dataclass(frozen=True)
class Origin:
    """The file that one model's weights come from: published, or the user's own at `path`."""

    model: str
    published: Published
    path: Path | None = None

    @property
    def pin(self) -> str:
        return self.published.pin


@dataclass(frozen=True)
class Weights:
    """The weights of a run: their source and, unless embedded, their files.

    `files` are by (format, model); the format is "" where all formats share one file.
    """

    source: str
    models: tuple[str, ...]
    files: Mapping[tuple[str, str], Origin] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, str]:
        """Cell.weights by model: "file-1a2b3c4d" for a user's file, else the source."""
        if self.source == "file":
            return {model: label(self.source, origin.pin) for (_, model), origin in self.files.items()}
        return dict.fromkeys(self.models, self.source)

    @property
    def name(self) -> str:
        """The weights in a run's name: like the label; for several files of a user a hash over them all."""
        pins = sorted({origin.pin for origin in self.files.values()})
        if len(pins) < 2:
            return label(self.source, "".join(pins))
        return label(self.source, hashlib.sha256("\n".join(pins).encode()).hexdigest())

    def spec(self, paths: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The prepare spec's "weights", "weights_files" and "zoo_files".

        `paths` is, by pin, where prepare sees the files; without it the spec only serves to plan.
        """
        shared: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for (format_, model), origin in self.files.items():
            path = (paths or {}).get(origin.pin, "")
            facts = {"path": path, "sha256": origin.pin, "kind": origin.published.kind}
            if format_:
                own.setdefault(model, {})[format_] = facts
            else:
                shared[model] = facts
        return {"weights": self.source, "weights_files": shared, "zoo_files": own}


def label(source: str, pin: str) -> str:
    """How results know the weights of one model."""
    return f"file-{pin[:8]}" if source == "file" else source


def resolve(
    word: str,
    models: Sequence[str],
    pins: Mapping[str, str],
    zoo: Mapping[str, Mapping[str, Published]],
    cache: Path,
) -> Weights:
    """Return the weights a word names, for these models.

    `pins` are the SHA-256 of torchvision's files by model, `zoo` the formats' own files by model and
    format (both from the matrix); `cache`/weights remembers the hashes of a user's large files.
    Raises UsageError for an unknown word or missing path, ArtifactError for a folder without a model's file.
    """
    source, _, path = word.partition(":")
    if source not in SOURCES:
        raise UsageError(unknown("weights source", source, SOURCES), where="--weights")
    if source == "file":
        memory = cache / "weights" / "hashes.json"
        return Weights(source, tuple(models), _own_files(_existing(path), models, memory))
    if path:
        raise UsageError(f"{source} takes no path", where="--weights", remedy=f"--weights {source}")
    if source == "imagenet":
        shared = {("", model): Origin(model, _torchvision(pins, model)) for model in models}
        return Weights(source, tuple(models), shared)
    zoos = {model: _known(zoo, model, "zoo") for model in models} if source == "zoo" else {}
    files = {
        (format_, model): Origin(model, _torchvision(pins, model) if row.kind == "torch" else row)
        for model, rows in zoos.items()
        for format_, row in rows.items()
    }
    return Weights(source, tuple(models), files)


def _torchvision(pins: Mapping[str, str], model: str) -> Published:
    return Published("torch", _known(pins, model, "imagenet"))


def _known(table: Mapping[str, Any], model: str, source: str) -> Any:
    if model not in table:
        raise UsageError(f"the matrix names no {source} weights of {model}", where="--weights")
    return table[model]


def _existing(word: str) -> Path:
    if not word:
        raise UsageError("file needs a path", where="--weights", remedy="--weights file:PATH")
    try:
        path = Path(word).expanduser()
        path.stat()
    except (OSError, ValueError, RuntimeError):  # also no path at all, and the home of a user who is not
        raise UsageError(f"no such file or folder: {word!r}", where="--weights") from None
    return path


def _own_files(path: Path, models: Sequence[str], memory: Path) -> dict[tuple[str, str], Origin]:
    """The user's files: the one that was named, or each model's in a folder."""
    if path.is_dir():
        found = {model: _of_folder(path, model) for model in models}
    elif path.suffix not in SUFFIXES:
        raise UsageError(f"{path.name} is not one of *{', *'.join(SUFFIXES)}", where="--weights")
    elif len(models) > 1:
        raise UsageError(
            f"one file, but {len(models)} models: {', '.join(models)}",
            where="--weights",
            remedy=f"say which with --model, or name a folder that holds <model>{SUFFIXES[0]} for each",
        )
    else:
        found = dict.fromkeys(models, path)
    return {
        ("", model): Origin(model, Published("torch", _digest(file, memory)), file.resolve())
        for model, file in found.items()
    }


def _of_folder(folder: Path, model: str) -> Path:
    found = [folder / f"{model}{suffix}" for suffix in SUFFIXES if (folder / f"{model}{suffix}").is_file()]
    if not found:
        raise ArtifactError(
            f"no weights of {model}: looked for {model}{{{','.join(SUFFIXES)}}}",
            where=str(folder),
            remedy="put the file there, or leave the model out with --model",
        )
    if len(found) > 1:
        raise ArtifactError(
            f"two files for {model}: {', '.join(file.name for file in found)}",
            where=str(folder),
            remedy="keep one of them",
        )
    return found[0]


def _digest(path: Path, memory: Path) -> str:
    """SHA-256 of a file, remembered by path, size and time of change where hashing takes a while."""
    try:
        facts = path.stat()
        if facts.st_size < REMEMBERED:
            return sha256_file(path)
        key = f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns}"
        known = _recall(memory)
        if key not in known:
            known[key] = sha256_file(path)
            disk.replace(memory, json.dumps(known, indent=1))
        return known[key]
    except PermissionError as error:
        raise ArtifactError(f"cannot read weights: {error.strerror}", where=str(path)) from None


def _recall(memory: Path) -> dict[str, str]:
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
