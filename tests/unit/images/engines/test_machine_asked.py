"""Another machine is asked by a container there; here this machine's Python stands for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

from bench.common.errors import EngineError
from images.engines import machine


def test_another_machine_tells_what_this_one_knows_of_itself() -> None:
    def run(command: Sequence[str]) -> str:
        return subprocess.run([sys.executable, *command[1:]], capture_output=True, text=True).stdout

    here = machine.local()
    asked = machine.probe(here.name, here.os, "ABCD", run)
    assert (asked.cpus, asked.cpus_why, asked.flags) == (here.cpus, here.cpus_why, here.flags)
    assert asked.document()["cpus_why"].endswith(here.cpus_why)
    assert asked.document()["cores"] == len(here.cpus)


def test_an_answer_that_is_none_is_an_error() -> None:
    with pytest.raises(EngineError, match="does not say what it is"):
        machine.probe("a", "b", "", lambda _: "Killed\n")
