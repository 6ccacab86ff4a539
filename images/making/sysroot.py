"""What compiled code stands on: the suite's own C and C++ libraries, headers and Python's, for a target.

A newer compiler's own headers would bind to a newer C library than the image has, and the image would
say so only when a cell imports the module. Hence nothing of the host's is read, and the result is checked.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.common.errors import BuildError
from bench.device.environment import MACHINES
from images.making.debian import packages
from images.making.debian.fetch import fetch
from images.making.debian.unpack import unpack as unpack_files
from images.making.pip import GLIBC
from images.workspace import PYTHON, Say, Workspace

GCC = "12"  # of the base's Debian suite, whose libstdc++ is in the image
LOCK = "sysroot"
PACKAGES = (f"libpython{PYTHON}-dev", f"libstdc++-{GCC}-dev", "libc6-dev")
EXCLUDE = ("/etc/*", "/usr/share/*", "/usr/bin/*", "/usr/sbin/*", f"/usr/lib/python{PYTHON}/*", "/var/*")
_NEEDED = re.compile(r"\sUND\s+(\S+?)@{1,2}(\w+?)_([0-9][0-9.]*)(?:\s|$)")
_DEFINED = re.compile(r"\bName: (\w+?)_([0-9][0-9.]*)(?:\s|$)")


@dataclass(frozen=True)
class Sysroot:
    """The suite's files for one target, unpacked; `folder` is their root, `triplet` GCC's word for it."""

    folder: Path
    triplet: str

    @property
    def libraries(self) -> Path:
        return self.folder / "usr" / "lib" / self.triplet

    def compile_flags(self, compiler: str) -> list[str]:
        """The options that compile against these headers, in GCC's order; intrinsics are the compiler's."""
        own = subprocess.run([compiler, "-print-file-name=include"], capture_output=True, text=True).stdout
        headers = self.folder / "usr" / "include"
        cxx = [f"c++/{GCC}", f"{self.triplet}/c++/{GCC}", f"c++/{GCC}/backward"]
        folders = [*(headers / name for name in cxx), own.strip(), headers / self.triplet, headers]
        python = [f"-I{headers / name}" for name in (f"python{PYTHON}", f"{self.triplet}/python{PYTHON}")]
        return ["-nostdinc", "-nostdinc++", *python, *(f"-isystem{path}" for path in folders)]

    def link_flags(self) -> list[str]:
        """The options that end a link with these libraries; libgcc's helpers are the compiler's own."""
        names = ["-l:libstdc++.so.6", "-lm", "-l:libgcc_s.so.1", "-lgcc", "-lc", "-lgcc"]
        return [f"--sysroot={self.folder}", "-nodefaultlibs", f"-L{self.libraries}", *names]

    def newest(self) -> dict[str, str]:
        """The newest version of each versioned library's symbols that an image has, as GLIBC -> 2.36."""
        found = {"GLIBC": f"2.{GLIBC}"}
        for name in ("libstdc++.so.6", "libgcc_s.so.1"):
            for prefix, version in _DEFINED.findall(_read("-V", self.libraries / name)):
                if prefix != "GLIBC":  # what that library itself needs
                    found[prefix] = max(found.get(prefix, "0"), version, key=numbers)
        return found


def unpack(workspace: Workspace, arch: str, snapshot: str, scratch: Path, say: Say) -> Sysroot:
    """Unpack what code for `arch` is compiled against into `scratch`, from its locked Debian packages.

    `snapshot` is the snapshot archive's address, for those that no mirror has any more.
    """
    lock, folder = packages.read(workspace.lock(LOCK, arch)), scratch / "sysroot"
    unpack_files(fetch(lock, workspace.debian, snapshot, say), folder, EXCLUDE)
    return Sysroot(folder, f"{MACHINES[arch]}-linux-gnu")


def check(library: Path, newest: dict[str, str], compiler: str) -> None:
    """Raise BuildError where `library` needs a symbol version that is newer than the image's."""
    for symbol, prefix, version in _NEEDED.findall(_read("--dyn-syms", library)):
        if prefix in newest and numbers(version) > numbers(newest[prefix]):
            raise BuildError(
                f"made by {compiler}, it needs {symbol}@{prefix}_{version}, and the image has "
                f"{prefix}_{newest[prefix]} at most: no image could load it",
                where=library.name,
                remedy=f"compile with the compiler of the image's Debian suite, GCC {GCC}",
            )


def numbers(version: str) -> tuple[int, ...]:
    """A version's numbers, for comparing: 2.4 is older than 2.38."""
    return tuple(map(int, version.split(".")))


def _read(what: str, library: Path) -> str:
    """binutils' reading of an ELF file of any architecture; it comes with every compiler."""
    try:
        done = subprocess.run(
            ["readelf", "--wide", what, str(library)],
            capture_output=True,
            text=True,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise BuildError("readelf is missing", remedy="apt-get install binutils") from None
    if done.returncode or not done.stdout.strip():
        raise BuildError(f"readelf cannot read it: {done.stderr.strip()[-300:]}", where=str(library))
    return done.stdout
