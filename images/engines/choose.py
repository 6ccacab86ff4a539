"""Which engine is this machine's, and how it is found."""

from __future__ import annotations

import os

from bench.common.errors import EngineError, UsageError, unknown
from bench.plan.matrix import Matrix
from images.engines.engine import Engine
from images.workspace import Workspace

KINDS = ("auto", "docker", "native")


def choose(kind: str, matrix: Matrix, workspace: Workspace) -> Engine:
    """Return this machine's engine of `kind`; "auto" takes docker where an engine answers, else native.

    A DOCKER_HOST of another machine is none of this machine's engines (see `elsewhere`).

    Raises UsageError for an unknown kind, EngineError if the one asked for cannot be had.
    """
    from images.engines.docker.engine import DockerEngine
    from images.engines.native import NativeEngine

    if kind not in KINDS:
        raise UsageError(unknown("engine", kind, KINDS))
    if kind == "native":
        return NativeEngine(matrix, workspace, "asked for")
    reason = "asked for" if kind == "docker" else "an engine answers"
    try:
        return DockerEngine(matrix, workspace, reason, own_environment())
    except EngineError:
        if kind == "docker":
            raise
        return NativeEngine(matrix, workspace, "no Docker engine answers")


def elsewhere() -> str:
    """Return DOCKER_HOST where it names another machine, "" where it does not."""
    host = os.environ.get("DOCKER_HOST", "")
    return host if host.startswith(("ssh://", "tcp://", "http://", "https://")) else ""


def own_environment() -> dict[str, str]:
    """Return the variables by which Docker's SDK finds this machine's own engine."""
    return {name: value for name, value in os.environ.items() if not (name == "DOCKER_HOST" and elsewhere())}
