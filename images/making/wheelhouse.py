"""Wheels on the host: fetched once, verified by hash, unpacked into the directory an image copies.

The unpacked directory (a *site*) is also what engine `native` puts on PYTHONPATH, so both engines
run the same bytes. A full wheelhouse never touches the network.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.common.errors import BuildError
from bench.common.hashing import sha256_file
from bench.plan.matrix import Image
from images.making import loadgen
from images.making import lock as locks
from images.making.bytecode import compile_tree
from images.making.lock import Lock, Pin
from images.making.pip import pip
from images.workspace import Say, Workspace, epoch

RECIPE = 2  # raise it when this file makes another site from the same wheels
# Scripts begin with the path of this machine's Python, and pip notes where it found each wheel; RECORD
# lists the hash of that note, and files that are excluded.
DROP = ("bin", "*.dist-info/direct_url.json", "*.dist-info/RECORD")


def ensure_site(
    workspace: Workspace, name: str, image: Image, arch: str, snapshot: str, progress: Say
) -> Path:
    """Return the site directory of an image, made from its lock if it is not there yet.

    LoadGen, where it has no wheel for `arch`, is compiled against locked Debian packages; `snapshot` has
    those that no mirror has any more.
    """
    site = site_of(workspace, name, image, arch)
    if site.is_dir():
        return site
    lock = locks.read(workspace.lock(name, arch))
    wheels = fill(lock, workspace.wheels(name, arch), arch, progress, image.indexes)
    source = loadgen.needed(workspace, name, image, arch)
    if source:
        wheels.append(loadgen.wheel(workspace, snapshot, arch, source, progress))
    progress(f"{name}: unpacking {len(wheels)} wheels")
    unpack(wheels, site, arch, image.exclude)
    for old in site.parent.glob(f"{name}-{arch}-*"):  # gigabytes that no lock asks for any more
        if old != site:
            shutil.rmtree(old, ignore_errors=True)
    return site


def site_of(workspace: Workspace, name: str, image: Image, arch: str) -> Path:
    """Return where the site of an image is, made or not; its name holds the key of its content."""
    source = loadgen.needed(workspace, name, image, arch)
    parts = [str(RECIPE), locks.read(workspace.lock(name, arch)).digest, str(epoch()), *image.exclude]
    parts += [loadgen.key(workspace, source, arch)] if source else []
    return workspace.site(name, arch, hashlib.sha256("\n".join(parts).encode()).hexdigest())


def fill(
    lock: Lock, wheels: Path, arch: str, progress: Say, indexes: Mapping[str, str] | None = None
) -> list[Path]:
    """Make `wheels` hold every pin of `lock`; return the verified files, one a pin.

    `indexes` are packages' own, asked for what pip's configuration does not give. Raises
    BuildError if a file there is not what the lock says, or if pip cannot get one.
    """
    wheels.mkdir(parents=True, exist_ok=True)
    missing = [pin for pin in lock.pins if not _verified(pin, wheels)]
    if missing:
        progress(f"{wheels.name}: downloading {len(missing)} of {len(lock.pins)} wheels")
        own = {name: index for name, index in (indexes or {}).items() if any(p.name == name for p in missing)}
        _download([pin for pin in missing if pin.name not in own], wheels, arch, lock.path)
        for pin in missing:
            if pin.name in own:
                _download([pin], wheels, arch, lock.path, own[pin.name])
    found = [path for pin in lock.pins if (path := _verified(pin, wheels))]
    if len(found) != len(lock.pins):
        raise BuildError(f"{len(lock.pins) - len(found)} wheels are still missing", where=str(wheels))
    return found


def _verified(pin: Pin, wheels: Path) -> Path | None:
    """Return the file of `pin`, None if there is none; raise if its content is not the lock's."""
    for path in sorted(wheels.iterdir()):
        name, _, rest = path.name.partition("-")
        if locks.normalise(name) == pin.name and re.match(re.escape(pin.version) + r"(-|\.tar\.gz$)", rest):
            if sha256_file(path) not in pin.hashes:
                raise BuildError(
                    f"{path.name} does not have the hash that the lock wants: damaged, or not the real one",
                    where=str(path),
                    remedy="delete the file and build again",
                )
            return path
    return None


def _download(pins: Sequence[Pin], wheels: Path, arch: str, lock_path: Path, index: str = "") -> None:
    """Fetch `pins` with pip; a file appears in `wheels` only when it is whole.

    `index` is asked for what pip's configuration does not give, once and not for long.
    """
    if not pins:
        return
    siblings = [word for path in sorted(wheels.parent.iterdir()) for word in ("--find-links", str(path))]
    with tempfile.TemporaryDirectory(dir=wheels.parent.parent, prefix="download-") as partial:
        wanted = Path(partial, "wanted.txt")
        wanted.write_text("".join(f"{pin}\n" for pin in pins))
        command = "download --quiet --retries 2 --no-deps --require-hashes"
        words = (*siblings, "--dest", partial, "-r", str(wanted))
        done = pip(command, *words, arch=arch)
        errors = done.stderr
        if done.returncode and index:
            done = pip(f"{command} --retries 0 --timeout 15", *words, "--index-url", index, arch=arch)
            errors += f"ERROR: nor at its own index, {index}:\n{done.stderr}"
        wanted.unlink()
        for path in Path(partial).iterdir():
            path.replace(wheels / path.name)
    if done.returncode:
        raise _no_wheel(pins, errors, lock_path)


def _no_wheel(pins: Sequence[Pin], stderr: str, lock_path: Path) -> BuildError:
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR")] or stderr.splitlines()[-3:]
    blamed = [pin for pin in pins if any(pin.name in locks.normalise(line) for line in errors)] or list(pins)
    names = ", ".join(f"{pin.name}=={pin.version}" for pin in blamed[:5])
    remedy = "connect to a package index (pip's configuration names it) and run the same command again"
    if any("+" in pin.version for pin in blamed):
        remedy += (
            "; a version with '+cpu' is at its framework's own index: a copy of it can be extra-index-url"
        )
    return BuildError(f"cannot download {names}:\n" + "\n".join(errors), where=lock_path.name, remedy=remedy)


def unpack(wheels: Sequence[Path], site: Path, arch: str, exclude: Sequence[str]) -> None:
    """Install verified wheels into `site`, drop `exclude` (globs), fix dates and modes.

    `site` appears complete or not at all, and holds no trace of this machine (DROP).
    """
    site.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=site.parent, prefix="unpack-") as scratch:
        tree = Path(scratch, "site")
        command = "--isolated install --quiet --no-index --no-deps --no-compile --no-warn-script-location"
        # pip unpacks into TMPDIR and moves: on one file system that is a rename
        env = {"PATH": os.environ.get("PATH", ""), "TMPDIR": scratch, "PIP_CONFIG_FILE": os.devnull}
        done = pip(command, "--target", str(tree), *map(str, wheels), arch=arch, env=env)
        if done.returncode:
            raise BuildError(f"cannot unpack the wheels:\n{done.stderr.strip()}", where=str(site))
        for pattern in (*DROP, *exclude):
            for path in list(tree.glob(pattern)):
                _remove(path)
        compile_tree(tree)
        settle(tree)
        try:
            tree.rename(site)
        except OSError:
            if not site.is_dir():  # another build was faster: its site is the same
                raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def settle(tree: Path) -> None:
    """Give every file one date and a mode that does not depend on this user's umask."""
    for folder, _, files in os.walk(tree):
        for name in files:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                os.chmod(path, 0o755 if os.stat(path).st_mode & 0o100 else 0o644)
            os.utime(path, (epoch(), epoch()), follow_symlinks=False)
        os.chmod(folder, 0o755)  # noqa: S103 (any user of a container may read it)
        os.utime(folder, (epoch(), epoch()))
