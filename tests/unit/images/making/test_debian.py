"""Debian packages by lock: fetched from where they are, verified, unpacked alike on every host."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from bench.common.errors import BuildError
from bench.common.hashing import sha256_file
from bench.plan import reading
from images.making import base, sysroot
from images.making.debian import fetch, packages, unpack
from images.making.debian.packages import Package, Packages
from images.workspace import Workspace

ROOT = Path(__file__).parents[4]
MATRIX = reading.load(ROOT / "matrix.toml")
DATE = "20260101T000000Z"
LOCKS = [("base", "amd64"), ("base", "arm64"), (sysroot.LOCK, "arm64")]


def tar(members: Sequence[tuple[str, str, int]]) -> bytes:
    """A tar of (name, text, mode): text "-> x" makes a link, "=> x" a hard link, "/" at the end a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
        for name, text, mode in members:
            member = tarfile.TarInfo(name.rstrip("/"))
            member.mode = mode
            if name.endswith("/"):
                member.type = tarfile.DIRTYPE
            elif text[:3] in ("-> ", "=> "):
                member.type = tarfile.SYMTYPE if text[0] == "-" else tarfile.LNKTYPE
                member.linkname = text[3:]
            else:
                member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()) if member.isreg() else None)
    return buffer.getvalue()


def make_deb(path: Path, members: Sequence[tuple[str, str, int]]) -> Path:
    """Write a Debian package as dpkg-deb lays it out."""
    name = path.name.partition("_")[0]
    control = tar([("./control", f"Package: {name}\nVersion: 1.0\nDescription: x\n y\n", 0o644)])
    parts = (("debian-binary", b"2.0\n"), ("control.tar.xz", control), ("data.tar.xz", tar(members)))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as target:
        target.write(b"!<arch>\n")
        for part, data in parts:
            target.write(f"{part:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
            target.write(data + b"\n" * (len(data) % 2))
    return path


FILES = [
    ("./etc/", "", 0o755),
    ("./", "", 0o755),
    ("./bin/", "", 0o755),
    ("./bin/su", "#!/bin/sh\n", 0o4755),
    ("./lib64/ld.so", "-> /lib/x/ld.so", 0o777),
    ("./lib/x/ld.so", "ELF", 0o755),
    ("./usr/lib/x/twin.so", "=> ./lib/x/ld.so", 0o755),
    ("./usr/share/doc/tiny/copyright", "free\n", 0o600),
    ("./usr/share/doc/tiny/README", "long\n", 0o644),
    ("./lib/x/libunwanted.so.1", "ELF", 0o644),
]
EXCLUDE = ("/usr/share/doc/*/[!c]*", "/usr/lib/*/libunwanted.*")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of an HTTP server of `folder`."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def lock_of(path: Path, *debs: Path, archive: str = "debian") -> Packages:
    pins = tuple(
        Package(deb.name.partition("_")[0], "1.0", f"{archive}/pool/t/{deb.name}", sha256_file(deb))
        for deb in debs
    )
    return Packages(path / "base-amd64.txt", DATE, pins)


@pytest.fixture
def deb(tmp_path: Path) -> Path:
    """A package as the snapshot archive has it."""
    folder = tmp_path / "served" / "snapshot" / "debian" / DATE / "pool" / "t"
    return make_deb(folder / "tiny_1.0+b1_amd64.deb", FILES)


def put(served: Path, deb: Path) -> Path:
    """The package at a mirror, too."""
    path = served / "debian" / "pool" / "t" / deb.name
    path.parent.mkdir(parents=True)
    path.write_bytes(deb.read_bytes())
    return path


def test_a_mirror_serves_it_and_what_is_there_is_not_fetched_again(
    tmp_path: Path, deb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "served", deb)
    lock = lock_of(tmp_path, deb)
    said: list[str] = []
    with served(tmp_path / "served") as address:
        monkeypatch.setattr(fetch, "mirrors", lambda: [f"{address}/ubuntu", f"{address}/debian"])
        [file] = fetch.fetch(lock, tmp_path / "cache", "", said.append)
    assert file.read_bytes() == deb.read_bytes()
    assert said == ["base-amd64: downloading 1 of 1 Debian packages"]
    assert fetch.fetch(lock, tmp_path / "cache", "", pytest.fail) == [file]
    assert list((tmp_path / "cache").iterdir()) == [file]


@pytest.mark.parametrize("mirror", ["gone", "tampered", "silent", "none"])
def test_what_no_mirror_has_comes_from_the_snapshot(
    tmp_path: Path, deb: Path, monkeypatch: pytest.MonkeyPatch, mirror: str
) -> None:
    if mirror == "tampered":
        put(tmp_path / "served", deb).write_bytes(b"another package")
    with served(tmp_path / "served") as address:
        own = {"silent": ["http://127.0.0.1:9/debian"], "none": []}.get(mirror, [f"{address}/debian"])
        monkeypatch.setattr(fetch, "mirrors", lambda: own)
        [file] = fetch.fetch(lock_of(tmp_path, deb), tmp_path / "cache", f"{address}/snapshot", print)
    assert file.read_bytes() == deb.read_bytes()


def test_what_is_nowhere_is_one_error_with_every_place(
    tmp_path: Path, deb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = lock_of(tmp_path, deb)
    deb.unlink()
    with served(tmp_path / "served") as address:
        monkeypatch.setattr(fetch, "mirrors", lambda: [f"{address}/debian"])
        with pytest.raises(BuildError, match=r"tiny 1\.0 cannot be downloaded") as caught:
            fetch.fetch(lock, tmp_path / "cache", f"{address}/snapshot", print)
    for place in (f"{address}/debian/pool/t/", f"{address}/snapshot/debian/{DATE}/pool/t/"):
        assert f"{place}tiny_1.0%2Bb1_amd64.deb: 404" in str(caught.value)
    assert caught.value.where == "base-amd64.txt"
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_place_that_does_not_answer_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    debs = [make_deb(tmp_path / f"tiny{number}_1_all.deb", FILES) for number in range(30)]
    monkeypatch.setattr(fetch, "mirrors", lambda: ["http://127.0.0.1:9/debian"])
    asked: list[str] = []
    get = requests.Session.get

    def count(session: requests.Session, url: str, **options: Any) -> requests.Response:
        asked.append(url)
        return get(session, url, **options)

    monkeypatch.setattr(requests.Session, "get", count)
    with pytest.raises(BuildError, match="no answer"):
        fetch.fetch(lock_of(tmp_path, *debs), tmp_path / "cache", "", print)
    assert len(asked) <= fetch.AT_ONCE


def tree(root: Path) -> dict[str, tuple[str, str]]:
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        elif path.is_file():
            found[name] = (oct(path.stat().st_mode & 0o7777), path.read_text())
    return found


def test_packages_become_a_merged_tree(tmp_path: Path) -> None:
    """Old paths land in /usr, links stay in the tree, excludes hold for where a file lands."""
    root = tmp_path / "root"
    unpack.unpack([make_deb(tmp_path / "tiny_1.0_amd64.deb", FILES)], root, EXCLUDE)
    found = tree(root)
    status = found.pop("var/lib/dpkg/status")[1]
    assert status.startswith("Package: tiny\nStatus: install ok unpacked\nVersion: 1.0\nDescription: x\n y\n")
    assert found == {
        "bin": ("link", "usr/bin"),
        "sbin": ("link", "usr/sbin"),
        "lib": ("link", "usr/lib"),
        "lib64": ("link", "usr/lib64"),
        "usr/bin/su": ("0o755", "#!/bin/sh\n"),
        "usr/lib/x/ld.so": ("0o755", "ELF"),
        "usr/lib/x/twin.so": ("0o755", "ELF"),
        "usr/lib64/ld.so": ("link", "../../lib/x/ld.so"),
        "usr/share/doc/tiny/copyright": ("0o600", "free\n"),
    }
    assert (root / "lib64" / "ld.so").read_text() == "ELF"


@pytest.mark.parametrize(
    "members",
    [[("../out", "x", 0o644)], [("./usr/x", "-> ../../../..", 0o777), ("./usr/x/out", "x", 0o644)]],
)
def test_a_package_writes_nowhere_else(tmp_path: Path, members: list[tuple[str, str, int]]) -> None:
    bad = make_deb(tmp_path / "bad_1.0_all.deb", members)
    with pytest.raises(BuildError, match="no Debian package that can be unpacked"):
        unpack.unpack([bad], tmp_path / "a" / "b" / "root")
    assert not list(tmp_path.rglob("out"))


def test_what_is_no_package_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken_1.0_all.deb"
    broken.write_text("<html>")
    with pytest.raises(BuildError, match="no Debian package") as caught:
        unpack.unpack([broken], tmp_path / "root")
    assert caught.value.where == str(broken)


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_two_hosts_write_the_same_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arch: str) -> None:
    """Another folder, another umask, other mirrors."""
    made = []
    for host, mask in (("one", 0o022), ("another/place", 0o077)):
        workspace = Workspace(tmp_path / host)
        deb = make_deb(workspace.debian / "tiny_1.0_amd64.deb", FILES)
        workspace.lock("base", arch).parent.mkdir(parents=True)
        packages.write(workspace.lock("base", arch), "bookworm", arch, ["tiny"], lock_of(tmp_path, deb))
        old = os.umask(mask)
        try:
            made.append(base.made(MATRIX.base, arch, workspace, print))
        finally:
            os.umask(old)
    assert made[0].text == made[1].text
    contents = [layer.content.read_bytes() for image in made for layer in image.layers]  # type: ignore[union-attr]
    assert contents[0] == contents[1]


def test_a_lock_is_written_as_it_is_read_and_keeps_its_date(tmp_path: Path, deb: Path) -> None:
    path = tmp_path / "base-amd64.txt"
    lock = lock_of(tmp_path, deb)
    packages.write(path, "bookworm", "amd64", ["tiny"], lock)
    assert packages.read(path) == lock
    later = Packages(path, "20270101T000000Z", lock.pins)
    packages.write(path, "bookworm", "amd64", ["tiny"], later)
    assert packages.read(path).snapshot == DATE
    changed = Packages(path, later.snapshot, ())
    packages.write(path, "bookworm", "amd64", ["tiny"], changed)
    assert packages.read(path) == changed
    assert packages.read(path).digest != lock.digest


def test_a_lock_that_is_none_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "base-amd64.txt"
    with pytest.raises(BuildError, match="no lock of Debian packages"):
        packages.read(path)
    path.write_text(f"snapshot {DATE}\nlibc6 2.36\n")
    with pytest.raises(BuildError, match=r"libc6 2\.36") as caught:
        packages.read(path)
    assert caught.value.where == "base-amd64.txt:2"


@pytest.mark.parametrize(("name", "arch"), LOCKS)
def test_the_committed_locks_hold_what_the_matrix_asks_for(name: str, arch: str) -> None:
    lock = packages.read(Workspace(ROOT).lock(name, arch))
    asked = MATRIX.base.packages if name == "base" else sysroot.PACKAGES
    assert {*asked} <= {pin.name for pin in lock.pins}
    assert lock.snapshot
    assert all(pin.path.endswith((f"_{arch}.deb", "_all.deb")) for pin in lock.pins)


def test_what_loadgen_is_compiled_against_is_what_the_image_has() -> None:
    workspace = Workspace(ROOT)
    image, ground = (
        {pin.name: pin.version for pin in packages.read(workspace.lock(name, "arm64")).pins}
        for name in ("base", sysroot.LOCK)
    )
    shared = {"libc6", "libstdc++6", "libgcc-s1", "libpython3.11-minimal"}
    assert shared <= image.keys() & ground.keys()
    assert {name: image[name] for name in shared} == {name: ground[name] for name in shared}


def test_apt_names_the_mirrors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fetch.mirrors() == []
    apt = tmp_path / "apt-get"
    apt.write_text(
        "#!/bin/sh\nprintf '%s\\n' http://a/debian/ http://a/debian/ cdrom:x https://b/debian-security\n"
    )
    apt.chmod(0o755)
    assert fetch.mirrors() == ["http://a/debian", "https://b/debian-security"]


def test_a_digest_does_not_depend_on_where_a_package_lies(tmp_path: Path, deb: Path) -> None:
    moved = lock_of(tmp_path, deb, archive="debian-security")
    assert moved.digest == lock_of(tmp_path, deb).digest
    assert len(moved.digest) == len(hashlib.sha256().hexdigest())
