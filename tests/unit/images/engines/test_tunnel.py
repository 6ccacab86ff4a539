"""ssh:// addresses: what is taken and what is refused before ssh is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.common.errors import UsageError
from images.engines.docker import tunnel

OURS = Path("/ours.sock")


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("ssh://pi@raspberrypi", ["-L", "/ours.sock:/var/run/docker.sock", "-l", "pi", "--", "raspberrypi"]),
        ("ssh://box:2222", ["-L", "/ours.sock:/var/run/docker.sock", "-p", "2222", "--", "box"]),
        ("ssh://u@h/run/user/1/docker.sock", ["/ours.sock:/run/user/1/docker.sock", "-l", "u", "--", "h"]),
    ],
)
def test_addresses_become_an_ssh_command(host: str, words: list[str]) -> None:
    assert tunnel.command(host, OURS)[-len(words) :] == words


@pytest.mark.parametrize(
    "host", ["ssh://", "ssh://u:secret@h", "ssh://h:port", "tcp://h", "ssh://h?x=1", "ssh://[h"]
)
def test_other_forms_are_refused(host: str) -> None:
    with pytest.raises(UsageError, match="is not ssh://user@name"):
        tunnel.command(host, OURS)


@given(st.text(min_size=1))
def test_a_host_is_never_taken_for_an_option(text: str) -> None:
    try:
        words = tunnel.command(f"ssh://{text}", OURS)
    except UsageError:
        return
    assert words[-2] == "--"
