"""What of bench/ travels into an image: what it runs, and no more.

So a change in a converter changes no image that measures, and planning (bench/plan), which is the host's
alone, travels into none.
"""

from __future__ import annotations

from pathlib import Path

from bench.common.hashing import digest_lines, sha256_file
from images.making.tarball import Member

PREPARE = "prepare"  # the one image that makes artifacts; all others measure
_EVERY = ("__init__.py", "__main__.py", "common")
_PREPARING = (*_EVERY, "store", "data", "convert")
_MEASURING = (
    *_EVERY, "device", "store/__init__.py", "store/results.py", "store/result.schema.json",
    "data/__init__.py", "data/arrays.py", "runtimes", "measure",
)  # fmt: skip


def of_image(root: Path, name: str) -> list[Path]:
    """The files of bench/ that an image holds, sorted."""
    parts = [root / "bench" / part for part in (_PREPARING if name == PREPARE else _MEASURING)]
    found = [path for part in parts for path in ([part] if part.is_file() else part.rglob("*"))]
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def digest(root: Path, name: str) -> str:
    """SHA-256 over the names and contents of these files: which state of the kit's code an image runs."""
    return digest_lines(
        (sha256_file(path), path.relative_to(root).as_posix()) for path in of_image(root, name)
    )


def members(root: Path, name: str) -> list[Member]:
    """The same as members of an archive; as bytes, so that no umask or date travels along."""
    files = of_image(root, name)
    folders = {folder for path in files for folder in path.relative_to(root).parents if folder.name}
    directories: list[Member] = [(f"opt/edgequant/{folder.as_posix()}/", b"") for folder in sorted(folders)]
    contents: list[Member] = [
        (f"opt/edgequant/{path.relative_to(root).as_posix()}", path.read_bytes()) for path in files
    ]
    return [("opt/", b""), ("opt/edgequant/", b""), *directories, *contents]
