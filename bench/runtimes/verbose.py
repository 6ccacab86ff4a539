"""What C and C++ libraries print while something runs, read from the file descriptor they print to."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple


@contextmanager
def captured(lines: list[str]) -> Iterator[None]:
    """Append to `lines` what is printed on file descriptor 1 inside; nothing of it goes further."""
    flush = ctypes.CDLL(None).fflush
    with tempfile.TemporaryFile() as file:
        _flush(flush)
        kept = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            yield
        finally:
            _flush(flush)
            os.dup2(kept, 1)
            os.close(kept)
            file.seek(0)
            lines += file.read().decode("utf-8", "replace").splitlines()


def _flush(flush: ctypes._NamedFuncPointer) -> None:
    sys.stdout.flush()
    flush(None)


class Primitive(NamedTuple):
    """A primitive of oneDNN's verbose log: "convolution", "brgconv_1x1:avx512_core_vnni", source "u8"."""

    kind: str
    kernel: str
    source: str


def primitives(lines: Iterable[str], event: str) -> Counter[Primitive]:
    """Count the primitives whose `event` ("exec", "create") a oneDNN verbose log tells.

    Lines read "onednn_verbose,v1,primitive,exec,cpu,convolution,KERNEL,PROPAGATION,src:u8:...", without
    "v1,primitive" and with "src_u8" before version 3. Other lines are no business of ours.
    """
    found: Counter[Primitive] = Counter()
    for line in lines:
        fields = line.split(",")
        at = next((n for n, text in enumerate(fields[:5]) if text.partition(":")[0] == event), 0)
        if not fields[0].endswith("dnn_verbose") or not at or len(fields) < at + 6:
            continue
        source = next((text for text in fields[at + 5].split() if text.startswith("src")), "src")
        found[Primitive(fields[at + 2], fields[at + 3], source[4:].split(":")[0])] += 1
    return found
