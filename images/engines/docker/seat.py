"""As whom a container runs, so that it reads what lies on this machine and its results can be written.

Uids on both sides of a container are the same ones only where the engine is root and maps none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from bench.common.errors import EngineError
from images.engines.docker.able import Able
from images.making.base import USER


def seat(able: Able) -> dict[str, Any]:
    """Return the options of containers.create that say as whom: whoever runs the kit, but never root outside.

    Raises EngineError where root asks a rootless engine: its containers cannot write what root owns.
    """
    if able.rootless:
        if not os.getuid():
            raise EngineError(
                "the engine is another user's (rootless), who cannot write what root owns",
                remedy="run the kit as that user, or let root use root's engine",
            )
        # Every other uid inside is one of /etc/subuid's outside, which may not write the caller's folders.
        # Root inside is the caller outside, without a capability: no more than the caller may do anyway.
        return {"user": "0:0"}
    uid, gid = caller()
    if able.userns:
        # userns-remap makes every uid inside one of the remapped range, which owns nothing of ours. "host"
        # takes this one container out of it (docs.docker.com/engine/security/userns-remap, "Disable namespace
        # remapping for a container"): it is no root, has no capability and gains none, so that what the
        # mapping guards against is not there. Files of the image belong to the remapped root and are
        # everybody's to read.
        return {"user": f"{uid}:{gid}", "userns_mode": "host"}
    return {"user": f"{uid}:{gid}"}


def caller() -> tuple[int, int]:
    """Return the user of a container where uids are the same on both sides."""
    return (os.getuid(), os.getgid()) if os.getuid() else (USER, USER)


def hand_over(folder: Path) -> None:
    """Let the container's user write a results directory that root made (only root can and must)."""
    if os.getuid():
        return
    uid, gid = caller()
    for path in (folder, *folder.rglob("*")):
        if path.lstat().st_uid != uid:
            os.chown(path, uid, gid, follow_symlinks=False)
