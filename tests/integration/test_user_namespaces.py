"""A real dockerd that remaps users: results are written all the same, by whom the kit runs containers as."""

# ruff: noqa: F401, F811 (fixtures come by import)

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path

import pytest
from engines import second_engine
from fixtures_images import LEAKS, TINY, arch, collect_sockets, workspace

from images.engines.docker.engine import DockerEngine
from images.engines.engine import Mount, Request
from images.workspace import Workspace

pytestmark = [pytest.mark.docker, LEAKS]
# The machine's own /etc/subuid stays as it is: the engine alone sees another.
ELSEWHERE = 'mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid && exec "$@"'


def test_results_are_written_where_users_are_remapped(
    workspace: Workspace, arch: str, tmp_path: Path
) -> None:
    name = pwd.getpwall()[-1].pw_name
    ranges = tmp_path / "ranges"
    ranges.write_text(f"{name}:231072:65536\n")
    results = tmp_path / "at 12:30"
    (results / "cells").mkdir(parents=True)
    uid = pwd.getpwnam(name).pw_uid
    flags = [f"--userns-remap={uid}:{uid}"]
    folder = Path(tempfile.mkdtemp())  # pytest's own is root's alone: the remapped root may not pass
    folder.chmod(0o755)
    with second_engine(folder, ["unshare", "-m", "sh", "-c", ELSEWHERE, str(ranges)], flags) as second:
        environment = {**os.environ, "DOCKER_HOST": second.host}
        engine = DockerEngine(TINY, workspace, "test", environment)
        assert engine.able.special == ["user namespaces"]
        engine.build(arch, ["test"], print)
        mounts = [Mount(results, "/results", writable=True)]
        code = "import os; open('/results/cells/x', 'w'); print(os.getuid())"
        lines: list[str] = []
        done = engine.launch(Request("test", arch, [code], mounts), lines.append)
        engine.client.close()
    assert done.reason == "", done.stderr
    assert lines == ["1000"]
    assert (results / "cells" / "x").stat().st_uid == 1000
