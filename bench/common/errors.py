"""Every way the kit can fail, each with an exit code of its own.

A message says what is wrong, `where` (file, table, key, value) and a `remedy` (what to do).
Programming errors are not caught here: they keep their traceback.
"""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable


class KitError(Exception):
    """Base of all errors shown to a user as one message without a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n  -> {self.remedy}" if self.remedy else text


class FailedCellsError(KitError):
    """The run went to its end, but some cells failed; the report names them."""

    exit_code = 1


class MatrixError(KitError):
    """matrix.toml (or claims.toml, which speaks of it) is not what the kit understands."""

    exit_code = 2


class UsageError(KitError):
    """A flag or filter names something that does not exist."""

    exit_code = 3


class EngineError(KitError):
    """The engine is missing, does not answer, or died."""

    exit_code = 4


class BuildError(KitError):
    """A wheel, base or image could not be made."""

    exit_code = 5


class ArtifactError(KitError):
    """An artifact or a data cache is missing, or its content is not what its name says."""

    exit_code = 6


class ResultError(KitError):
    """A result file is damaged or of another schema."""

    exit_code = 7


class MeasureError(KitError):
    """A framework or LoadGen could not run a cell."""

    exit_code = 8


class OutsideError(KitError):
    """The disk is full, or the system refuses a file, a folder, a program or a connection."""

    exit_code = 9


class RegressionError(KitError):
    """A compared run is slower or less accurate than the one it is measured against."""

    exit_code = 10


class ArchiveError(KitError):
    """An archive of a run is damaged, or its content is not what it says."""

    exit_code = 11


class RegistryError(KitError):
    """A registry does not answer, refuses, or has not what was published."""

    exit_code = 12


class NotReproducedError(KitError):
    """Claims of the paper were judged, and some do not hold for what was measured."""

    exit_code = 13


class DisagreesError(KitError):
    """A published set was measured again, and a comparable cell does not agree."""

    exit_code = 14


_REMEDIES = {
    errno.ENOSPC: "free some space and run the same command again",
    errno.EDQUOT: "free some space and run the same command again",
    errno.EACCES: "give this user the right to it, or run as its owner",
    errno.EPERM: "give this user the right to it, or run as its owner",
    errno.EROFS: "make it writable, or work in a copy of the checkout elsewhere",
    errno.ENOENT: "look at the path",
    errno.ENOTDIR: "look at the path: a part of it is a file",
    errno.EISDIR: "look at the path: it is a folder",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.ELOOP: "look at the path: a link leads back to itself",
    errno.EMFILE: "allow more open files (ulimit -n) and run the same command again",
    errno.ENOMEM: "free some memory and run the same command again",
}


def outside(error: OSError) -> OutsideError:
    """What the system refused, in the kit's words: the file, what is wrong, what to do."""
    names = [
        os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))
    ]
    remedy = _REMEDIES.get(error.errno or 0, "mend that, and run the same command again")
    return OutsideError(
        error.strerror or str(error) or type(error).__name__, where=" -> ".join(names), remedy=remedy
    )


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return "unknown KIND 'name'; did you mean 'x'? Known: ..." with the nearest match first."""
    names = sorted(known)
    folded = {candidate.lower(): candidate for candidate in names}
    near = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    hint = f" Did you mean '{folded[near[0]]}'?" if near else ""
    return f"unknown {kind} '{name}'.{hint} Known: {', '.join(names) or 'none'}"
