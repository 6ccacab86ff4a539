"""A newer engine than the machine's, with the containerd image store: Debian 13's, in a root of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines import SecondEngine

SUITE = "trixie"
CONTAINERD = '{"features": {"containerd-snapshotter": true}}\n'
# In a mount namespace of its own: what is mounted here is gone when the engine is. runc needs a root that is
# a mount point; the engine's socket and data lie where the test sees them.
ENTER = """
set -e
root=$1 folder=$2
shift 2
mount --bind "$root" "$root"
for name in proc sys dev; do mount --rbind "/$name" "$root/$name"; done
mkdir -p "$root/$folder"
mount --bind "$folder" "$root/$folder"
exec chroot "$root" "$@"
"""


@contextlib.contextmanager
def newer_engine(folder: Path) -> Iterator[SecondEngine]:
    """Make the root, about half a minute, and run its engine; skips where that cannot be."""
    if os.geteuid() or not shutil.which("mmdebstrap") or not shutil.which("unshare"):
        pytest.skip("needs root, mmdebstrap and unshare")
    root, own = folder / "root", folder / "own"
    own.mkdir()
    words = ["mmdebstrap", "--variant=minbase", "--include=docker.io,ca-certificates", SUITE, str(root)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (root / "etc" / "docker").mkdir(parents=True, exist_ok=True)
    (root / "etc" / "docker" / "daemon.json").write_text(CONTAINERD)
    enter = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh", str(root), str(own)]
    engine = SecondEngine(own, enter)
    engine.start()
    try:
        yield engine
    finally:
        engine.kill()
