"""`invoke clean`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path


def clean(root: Path, *, everything: bool, hosts: Sequence[str]) -> None:
    """Delete out/, and with `everything` the cache and what the kit keeps in engines, here and at `hosts`."""
    targets = [root / "out", *([root / ".cache"] if everything else [])]
    for target in targets:
        if target.exists():
            shutil.rmtree(target)
            print(f"deleted {target.relative_to(root)}/")
    if everything:
        from images.engines.docker.build import remove_images
        from images.engines.docker.context import own_environment
        from images.engines.docker.remote import reach
        from images.engines.docker.store import remove_store

        for environment in (own_environment(), *(reach(host) for host in hosts)):
            for tag in remove_images(environment):
                print(f"deleted image {tag}")
            if remove_store(environment):
                print("deleted the store of artifacts")
