"""`invoke clean`: what it would delete is said first, and nothing goes without a yes."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.common.errors import UsageError, unknown

#: Below .cache: the environment that runs this very line, and those of other locks.
ENVIRONMENTS = "host"


def clean(
    root: Path, *, names: Sequence[str], everything: bool, hosts: Sequence[str], yes: bool, dry: bool
) -> None:
    """Delete runs in out/ (all, or those of `names`), with `everything` the cache and what engines keep.

    Without `yes` it asks. Raises UsageError for a run that is not there, and where there is nobody to ask.
    """
    targets = _targets(root, names, everything)
    also = ["images and artifacts in " + " and ".join(["this engine", *hosts])] if everything else []
    told = ", ".join([*(f"{path.relative_to(root)}/" for path in targets), *also])
    if not told:
        print("nothing to delete")
    elif dry:
        print(f"would delete {told}")
    elif yes or _agreed(told):
        _delete(root, targets, hosts if everything else None)
    else:
        print("nothing deleted")


def _targets(root: Path, names: Sequence[str], everything: bool) -> list[Path]:
    """The folders to delete, and links in their place: a link goes, what it leads to stays."""
    out = root / "out"
    runs = [path.name for path in out.iterdir()] if out.is_dir() else []
    for name in names:
        if name not in runs:
            raise UsageError(unknown("run", name, runs), where="--name")
    found = [out / name for name in names] if names else [out] if runs or out.is_symlink() else []
    cache = root / ".cache"
    if everything and cache.is_dir():
        found += sorted(path for path in cache.iterdir() if path.name != ENVIRONMENTS)
    return found


def _agreed(told: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(f"would delete {told}", remedy="add --yes")
    return input(f"delete {told}? [y/N] ").strip().lower() in {"y", "yes"}


def _delete(root: Path, targets: Sequence[Path], hosts: Sequence[str] | None) -> None:
    for target in targets:
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink()
        print(f"deleted {target.relative_to(root)}/")
    if hosts is None:
        return
    from images.engines.docker.build import remove_images
    from images.engines.docker.context import own_environment
    from images.engines.docker.remote import reach
    from images.engines.docker.store import remove_store

    for environment in (own_environment(), *(reach(host) for host in hosts)):
        for tag in remove_images(environment):
            print(f"deleted image {tag}")
        if remove_store(environment):
            print("deleted the store of artifacts")
