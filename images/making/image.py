"""An image as the kit itself writes it: config and layers, from the few instructions of its Dockerfile.

Engines' builders differ: each gives layers of its own and another id each time. What is written here is the
same on every host and under every engine; an engine has but to load it. The instructions mean what they mean
to a builder (Docker's Dockerfile reference); one that is not known here is an error, never passed over.
"""

from __future__ import annotations

import copy
import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Union

from bench.common.errors import BuildError
from images.making.tarball import Member, stream
from images.workspace import epoch

Content = Union[Path, list[Member]]  # a tar file, or what it holds
Config = dict[str, Any]  # of the OCI image specification


@dataclass(frozen=True)
class ImageLayer:
    """A layer: the SHA-256 of its uncompressed tar ("sha256:..."), and that tar."""

    diff_id: str
    content: Content

    @classmethod
    def of(cls, members: list[Member]) -> ImageLayer:
        """The layer of these files; reads each of them once to hash it."""
        digest = hashlib.sha256()
        for piece in stream(members):
            digest.update(piece)
        return cls(f"sha256:{digest.hexdigest()}", members)


@dataclass(frozen=True)
class Written:
    """A whole image: its config and its layers, the lowest first."""

    config: Config
    layers: tuple[ImageLayer, ...]

    @property
    def diff_ids(self) -> list[str]:
        """By what an image is known on any engine, beside its key."""
        return [layer.diff_id for layer in self.layers]

    @property
    def text(self) -> bytes:
        """The config as it is stored; its SHA-256 is the image's id in a classic image store."""
        return json.dumps(self.config, sort_keys=True).encode()

    def archive(self, tag: str, there: int = 0) -> Iterator[bytes]:
        """Yield what `docker save` would write, without the lowest `there` layers, which the engine has."""
        names = [f"{layer.diff_id.partition(':')[2]}.tar" for layer in self.layers]
        config = f"{hashlib.sha256(self.text).hexdigest()}.json"
        manifest = [{"Config": config, "RepoTags": [tag] if tag else None, "Layers": names}]
        carried = list(zip(names, self.layers))[there:]
        layers: list[Member] = [(name, layer.content) for name, layer in carried]
        return stream([(config, self.text), ("manifest.json", json.dumps(manifest).encode()), *layers])


def created() -> str:
    """The one date of every image (RFC 3339)."""
    return datetime.fromtimestamp(epoch(), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def build(
    parent: Written, dockerfile: str, context: Mapping[str, list[Member]], labels: Mapping[str, str]
) -> Written:
    """Return the image of a Dockerfile on `parent`, which stands for its FROM.

    `context` are the archives that ADD unpacks, by name; `labels` are added, as a builder's --label does.
    Raises BuildError for any instruction but ARG, FROM, ADD, ENV, LABEL, USER, WORKDIR and ENTRYPOINT.
    """
    config, layers = copy.deepcopy(parent.config), list(parent.layers)
    for word, rest in _instructions(dockerfile):
        if word not in _KNOWN:
            raise BuildError(
                f"the kit does not know the instruction {word}; it knows {', '.join(_KNOWN)}",
                where=f"Dockerfile: {word} {rest}",
            )
        if word in ("ARG", "FROM"):
            continue
        step: dict[str, Any] = {"created": created(), "created_by": f"{word} {rest}"}
        if word == "ADD":
            layers.append(_added(rest, context))
        else:
            _set(config["config"], word, rest)
            step["empty_layer"] = True
        config.setdefault("history", []).append(step)
    config["config"]["Labels"] = {**(config["config"].get("Labels") or {}), **labels}
    config["created"] = created()
    config["rootfs"] = {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}
    return Written(config, tuple(layers))


_KNOWN = ("ARG", "FROM", "ADD", "ENV", "LABEL", "USER", "WORKDIR", "ENTRYPOINT")


def _instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Yield (word, rest) of each instruction, lines that are continued joined."""
    lines = [line for line in dockerfile.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        yield word.upper(), " ".join(rest.split())


def _added(rest: str, context: Mapping[str, list[Member]]) -> ImageLayer:
    source, _, target = rest.partition(" ")
    if source not in context or target != "/":
        raise BuildError("only an archive of the context can be added, to /", where=f"Dockerfile: ADD {rest}")
    return ImageLayer.of(context[source])


def _set(run: Config, word: str, rest: str) -> None:
    """Do to a config's "config" what an instruction says."""
    if word == "USER":
        run["User"] = rest
    elif word == "WORKDIR":
        run["WorkingDir"] = rest
    elif word == "ENTRYPOINT":
        run["Entrypoint"] = json.loads(rest)
        run.pop("Cmd", None)  # an inherited command means nothing to another entry point
    elif word == "LABEL":
        run["Labels"] = {**(run.get("Labels") or {}), **_pairs(shlex.split(rest))}
    else:
        pairs = _pairs([*(run.get("Env") or []), *shlex.split(rest)])
        run["Env"] = [f"{name}={value}" for name, value in pairs.items()]


def _pairs(words: list[str]) -> dict[str, str]:
    """NAME=VALUE words; the last of a name counts, at the place of the first."""
    return dict(word.split("=", 1) for word in words)
