"""`invoke lock`: apt chooses Debian packages for any architecture, and nothing of this machine's changes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import unquote

from bench.common.errors import BuildError
from images.making.debian.fetch import mirrors
from images.making.debian.packages import Package, Packages

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
ARCHIVES = {"debian": ("", "-updates"), "debian-security": ("-security",)}  # and their suites' endings
_CONFIGURATION = """
Dir::State "{folder}/state"; Dir::State::status "{folder}/status"; Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/sources.list"; Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "{arch}"; APT::Architectures {{ "{arch}"; }};
APT::Install-Recommends "false"; APT::Sandbox::User "root"; Acquire::Languages "none";
"""


def choose(path: Path, suite: str, arch: str, packages: Sequence[str], snapshot: str) -> Packages:
    """Return what the lock `path` is to hold: `packages` and all they depend on, at their newest in `suite`.

    Mirrors are this machine's; where it has none the snapshot archive is asked. BuildError in apt's words.
    """
    if not shutil.which("apt-get"):
        raise BuildError("apt chooses Debian packages, and is missing", remedy="run invoke lock on Debian")
    date = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    places = {archive: _place(archive, snapshot, date) for archive in ARCHIVES}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in ("state/lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text("".join(_sources(places, suite)))
        (folder / "apt.conf").write_text(_CONFIGURATION.format(folder=folder, arch=arch))
        _apt(folder, "apt-get", "update")
        printed = _apt(folder, "apt-get", "install", "--print-uris", "-qq", *packages)
        # 'http://mirror/debian/pool/z/zlib1g_1.2_arm64.deb' zlib1g_1%3a1.2_arm64.deb 82744 MD5Sum:...
        rows = [line.split()[:2] for line in printed.splitlines()]
        addresses = [unquote(address.strip("'")) for address, _ in rows]
        wanted = ["=".join(unquote(file).split("_")[:2]) for _, file in rows]
        shown = _apt(folder, "apt-cache", "show", *wanted)
    pins = {}
    for paragraph in shown.strip().split("\n\n"):
        facts = dict(line.split(": ", 1) for line in paragraph.splitlines() if re.match(r"\S+: ", line))
        for archive, place in places.items():
            if f"{place}/{facts['Filename']}" in addresses:
                path_ = f"{archive}/{facts['Filename']}"
                pins[facts["Package"]] = Package(facts["Package"], facts["Version"], path_, facts["SHA256"])
    if len(pins) != len(rows):
        raise BuildError(f"apt names {len(rows)} packages and shows {len(pins)}", where=path.name)
    return Packages(path, date, tuple(pins[name] for name in sorted(pins)))


def _place(archive: str, snapshot: str, date: str) -> str:
    """Where apt finds an archive: the first mirror of this machine that has it, else the snapshot archive."""
    own = (address for address in mirrors() if address.rpartition("/")[2] == archive)
    return next(own, f"{snapshot}/{archive}/{date}")


def _sources(places: Mapping[str, str], suite: str) -> Iterator[str]:
    options = f"[check-valid-until=no signed-by={KEYRING}]" if KEYRING.is_file() else "[check-valid-until=no]"
    for archive, place in places.items():
        for ending in ARCHIVES[archive]:
            yield f"deb {options} {place} {suite}{ending} main\n"


def _apt(folder: Path, *words: str) -> str:
    """Run apt with the configuration in `folder`; return what it prints."""
    env = {**os.environ, "APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C"}
    done = subprocess.run(words, capture_output=True, text=True, env=env)
    if done.returncode:
        reasons = [line for line in done.stderr.splitlines() if line.startswith(("E:", "Err:"))]
        raise BuildError(
            f"{' '.join(words[:2])} failed:\n" + "\n".join(reasons[:6] or [done.stderr[-500:]]),
            remedy="check that apt reaches a Debian mirror; apt-get install debian-archive-keyring",
        )
    return done.stdout
