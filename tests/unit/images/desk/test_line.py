"""What the outside world refuses is one line, with the file and what to do; words stand in any place."""

from __future__ import annotations

import errno
import os

import pytest
from invoke import Argument, Exit, ParserContext

from bench.common.errors import UsageError
from images.desk.line import arranged, told_errors

RUN = ParserContext(name="run", args=[Argument(name="platform"), Argument(name="fresh", kind=bool)])
VERIFY = ParserContext(name="verify", args=[Argument(name="archive", positional=True)])
CORE = ParserContext(args=[Argument(name="dry", kind=bool)])
CONTEXTS = {"run": RUN, "verify": VERIFY}


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOENT, errno.ENOSPC, errno.EIO])
def test_what_the_system_refuses_is_one_line(number: int) -> None:
    with pytest.raises(Exit) as caught, told_errors():
        raise OSError(number, os.strerror(number), "out/run.json")
    assert caught.value.code == 9
    told = str(caught.value.message)
    assert told.startswith("error: out/run.json: ")
    assert os.strerror(number) in told
    assert "\n  -> " in told


def test_bytes_that_are_no_text_are_one_line() -> None:
    with pytest.raises(Exit, match="not text in UTF-8") as caught, told_errors():
        b"\xff".decode("utf-8")
    assert caught.value.code == 9


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("run --platform rpi4", "run --platform rpi4"),
        ("--platform rpi4 run", "run --platform rpi4"),
        ("verify --platform rpi4 a.zip run --fresh", "verify a.zip run --fresh --platform rpi4"),
        ("--fresh verify a.zip run", "verify a.zip run --fresh"),
        ("run --dry", "run --dry"),
        ("verify run", "verify run"),  # an archive of that name
    ],
)
def test_options_find_their_task(line: str, told: str) -> None:
    assert arranged(line.split(), CONTEXTS, CORE) == told.split()


@pytest.mark.parametrize("line", ["rnu", "run --platfrom x", "verify a.zip --platform rpi4", "--platform x"])
def test_what_is_nobodys_is_an_error(line: str) -> None:
    with pytest.raises(UsageError):
        arranged(line.split(), CONTEXTS, CORE)
