"""Which engine is this machine's, and how it is found."""

from __future__ import annotations

from bench.common.errors import EngineError, UsageError, unknown
from bench.plan.matrix import Matrix
from images.engines.engine import Engine
from images.workspace import Workspace

KINDS = ("auto", "docker", "native")


def choose(kind: str, matrix: Matrix, workspace: Workspace) -> Engine:
    """Return this machine's engine of `kind`; "auto" takes docker where an engine answers, else native.

    A DOCKER_HOST or context of another machine is none of this machine's engines (see docker/context.py).

    Raises UsageError for an unknown kind, EngineError if the one asked for cannot be had.
    """
    from images.engines.docker.engine import DockerEngine
    from images.engines.docker.sdk import SilentError
    from images.engines.native import NativeEngine

    if kind not in KINDS:
        raise UsageError(unknown("engine", kind, KINDS))
    if kind == "native":
        return NativeEngine(matrix, workspace, "asked for")
    reason = "asked for" if kind == "docker" else "an engine answers"
    try:
        return DockerEngine(matrix, workspace, reason)
    except EngineError as error:
        if kind == "docker":
            raise
        why = error.cause if isinstance(error, SilentError) else error.message
        return NativeEngine(matrix, workspace, f"no Docker engine answers: {why}")
