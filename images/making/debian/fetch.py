"""Debian packages of a lock, downloaded once and verified by hash, from wherever they still are.

A mirror of this machine's own apt is asked first, then Debian's snapshot archive, which keeps every version.
The hash makes any of them safe.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from bench.common.errors import BuildError
from bench.common.hashing import sha256_file
from images.making.debian.packages import Package, Packages
from images.workspace import Say

AT_ONCE = 4
WAIT = (10, 60)  # seconds: for a connection, for the next bytes
# The snapshot archive turns away who asks too often.
PATIENCE = Retry(total=4, connect=1, backoff_factor=1, status_forcelist=(429, 500, 502, 503, 504))
CHUNK = 1 << 20


def fetch(lock: Packages, folder: Path, snapshot: str, say: Say) -> list[Path]:
    """Return the verified files of `lock`, one a package; those that `folder` has not are downloaded.

    `snapshot` is the snapshot archive's address, "" for none. Raises BuildError that names a package which
    is nowhere, and all the places that were asked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / pin.file for pin in lock.pins]
    missing = [pin for pin, path in zip(lock.pins, files) if not _verified(path, pin)]
    if missing:
        say(f"{lock.path.stem}: downloading {len(missing)} of {len(files)} Debian packages")
        _Download(lock, folder, snapshot, tuple(mirrors())).all(missing)
    return files


def mirrors() -> list[str]:
    """The addresses of Debian archives in apt's configuration, without the last slash; [] without apt."""
    if not shutil.which("apt-get"):
        return []
    words = ["apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI)"]
    done = subprocess.run(words, capture_output=True, text=True)
    found = (line.rstrip("/") for line in done.stdout.splitlines())
    return list(dict.fromkeys(address for address in found if address.startswith(("http:", "https:"))))


def _verified(path: Path, pin: Package) -> bool:
    return path.is_file() and sha256_file(path) == pin.sha256


class _Download:
    """The packages of one lock on their way into one folder; a mirror that does not answer is asked once."""

    def __init__(self, lock: Packages, folder: Path, snapshot: str, own: Sequence[str]) -> None:
        self._lock, self._folder, self._snapshot, self._own = lock, folder, snapshot, own
        self._silent: dict[str, str] = {}  # host -> why
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=PATIENCE, pool_maxsize=AT_ONCE))

    def all(self, missing: Sequence[Package]) -> None:
        """Download what is missing, several at once."""
        with self._session, ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                for _ in pool.map(self._one, missing):
                    pass
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _one(self, pin: Package) -> None:
        tried = []
        for address in self._places(pin):
            trouble = self._take(address, pin)
            if not trouble:
                return
            tried.append(f"  {address}: {trouble}")
        raise BuildError(
            "\n".join([f"{pin.name} {pin.version} cannot be downloaded:", *(tried or ["  nowhere to ask"])]),
            where=self._lock.path.name,
            remedy="connect to a Debian mirror (apt's configuration names yours, http_proxy a proxy) and run "
            "the same command again; or set EDGEQUANT_BASE=host/name@sha256:... to a published base",
        )

    def _places(self, pin: Package) -> Iterator[str]:
        """Where a package may be: mirrors of its archive (their addresses end in its name), the snapshot."""
        within = quote(pin.within)
        for mirror in self._own:
            if mirror.rpartition("/")[2] == pin.archive:
                yield f"{mirror}/{within}"
        if self._snapshot:
            yield f"{self._snapshot.rstrip('/')}/{pin.archive}/{self._lock.snapshot}/{within}"

    def _take(self, address: str, pin: Package) -> str:
        """Download one file; return what went wrong, "" for nothing."""
        host = urlsplit(address).netloc
        if host in self._silent:
            return self._silent[host]
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix="partial-", delete=False) as target:
            partial = Path(target.name)
            try:
                with self._session.get(address, stream=True, timeout=WAIT) as answer:
                    if not answer.ok:
                        return f"{answer.status_code} {answer.reason}"
                    for piece in answer.iter_content(CHUNK):
                        target.write(piece)
                target.flush()
                if not _verified(partial, pin):
                    return "another content than the lock's (SHA-256)"
                partial.chmod(0o644)
                partial.replace(self._folder / pin.file)
                return ""
            except (requests.ConnectionError, requests.Timeout) as error:
                self._silent[host] = f"no answer ({type(error).__name__})"
                return self._silent[host]
            except requests.RequestException as error:
                return str(error)
            finally:
                partial.unlink(missing_ok=True)
