"""Whether converters fit into this machine's memory: what each model's take was measured (matrix.toml).

Too little memory ends a converter after minutes, or the machine with it: so a model that does not fit is not
begun, and of those that fit as many converters run at once as have room.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.device import environment, system
from bench.plan.matrix import Matrix
from images.choosing.session import Session
from images.engines.machine import Machine
from images.workspace import size

RESERVE = 500_000_000  # bytes left to the system, the engine and this process


def usable(machine: Machine) -> int:
    """The memory in bytes that the kit may use on the machine that makes artifacts."""
    limit = environment.memory_limit() if system.is_linux() else None
    return min(machine.memory_bytes, limit or machine.memory_bytes)


def room(machine: Machine) -> int:
    """The memory in bytes that converters may take together."""
    return max(0, usable(machine) - RESERVE)


def too_large(matrix: Matrix, models: Sequence[str], room: int) -> dict[str, str]:
    """The models whose converters do not fit into `room` bytes, and why in a sentence."""
    return {
        name: f"its converters take {size(matrix.models[name].converting_bytes)} of memory, "
        f"{size(room)} are there for them"
        for name in models
        if matrix.models[name].converting_bytes > room
    }


def elsewhere(session: Session, models: Sequence[str]) -> str:
    """How artifacts come from a machine with more memory."""
    return (
        "on a machine with more memory, same commit: "
        f"invoke models --platform {_alike(session)} --model {','.join(models)} --export FILE; "
        "then here: invoke models --import FILE"
    )


def _alike(session: Session) -> str:
    """A platform with this one's artifacts on any machine: "host" is whatever runs the command."""
    if session.platform_facts.arch != "any":
        return session.platform
    names = [name for name, one in session.matrix.platforms.items() if one.arch == session.arch]
    return names[0] if names else session.platform
