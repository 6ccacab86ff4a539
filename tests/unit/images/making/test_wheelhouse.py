"""Locks and wheels, without a network: everything here works on wheels made on the spot."""

from __future__ import annotations

import os
import shutil
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from bench.common import hashing
from bench.common.errors import BuildError
from bench.plan import matrix as matrices
from bench.plan import reading
from images.making import loadgen, wheelhouse
from images.making import lock as locks
from images.making.lock import Lock, Pin
from images.workspace import Workspace, epoch

ROOT = Path(__file__).parents[4]
MATRIX = reading.load(ROOT / "matrix.toml")


def make_wheel(folder: Path, version: str = "1.0") -> Path:
    """Write a wheel with a module, a script, headers and a test."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"tiny_kit-{version}-py3-none-any.whl"
    info = f"tiny_kit-{version}.dist-info"
    files = {
        "tiny_kit/__init__.py": "VALUE = 1\n",
        "tiny_kit/broken_template.py": "{{ not python }}\n",
        "tiny_kit/include/tiny.h": "",
        "tiny_kit/tests/test_tiny.py": "",
        f"tiny_kit-{version}.data/scripts/tiny": "#!python\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny-kit\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in files) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)
    return path


@dataclass
class Indexes:
    """Package indexes in a folder, served at `address`, and the paths that were asked for."""

    folder: Path
    asked: list[str]
    address: str = ""

    @property
    def own(self) -> str:
        return f"{self.address}/own/simple"

    def put(self, name: str, wheel: Path) -> None:
        page = self.folder / name / "simple" / "tiny-kit"
        page.mkdir(exist_ok=True)
        shutil.copy(wheel, page)
        links = (f'<a href="{path.name.replace("+", "%2B")}">{path.name}</a>' for path in page.glob("*.whl"))
        (page / "index.html").write_text("<!DOCTYPE html><body>" + "".join(links))


def lock_of(*wheels: Path) -> Lock:
    pins = tuple(Pin("tiny-kit", wheel.name.split("-")[1], (hashing.sha256_file(wheel),)) for wheel in wheels)
    return Lock(Path("tiny-amd64.txt"), ("tiny-kit",), pins)


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return mode, date and content of every file by name."""
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mode,
            int(path.stat().st_mtime),
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


def test_full_wheelhouse_does_not_call_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path)
    monkeypatch.setattr(wheelhouse, "pip", lambda *_, **__: pytest.fail("pip was called"))
    assert wheelhouse.fill(lock_of(wheel), tmp_path, "amd64", print) == [wheel]


def test_tampered_wheel_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    lock = lock_of(wheel)
    with wheel.open("ab") as stream:
        stream.write(b"one byte too many")
    with pytest.raises(BuildError, match="does not have the hash") as caught:
        wheelhouse.fill(lock, tmp_path, "amd64", print)
    assert "tiny_kit-1.0" in str(caught.value)
    assert "delete" in caught.value.remedy


def test_wheel_of_another_version_is_ignored(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "1.0")
    make_wheel(tmp_path, "1.0.1")
    assert wheelhouse.fill(lock_of(wheel), tmp_path, "amd64", print) == [wheel]


def test_missing_wheel_without_network_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    lock = Lock(Path("tiny-amd64.txt"), (), (Pin("tiny-kit", "1.0+cpu", ("0" * 64,)),))
    with pytest.raises(BuildError, match=r"tiny-kit==1\.0\+cpu") as caught:
        wheelhouse.fill(lock, tmp_path / "wheels" / "tiny-amd64", "amd64", print)
    assert "extra-index-url" in caught.value.remedy
    assert list((tmp_path / "wheels").parent.glob("download-*")) == []


@pytest.fixture
def indexes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Indexes]:
    """Two package indexes on this machine: pip's configuration names the first, which is empty."""
    found = Indexes(tmp_path / "indexes", [])

    class Counting(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            found.asked.append(self.path)

    for name in ("user", "own"):
        (found.folder / name / "simple").mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Counting, directory=str(found.folder)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    found.address = f"http://127.0.0.1:{server.server_address[1]}"
    own = {"CONFIG_FILE": os.devnull, "FIND_LINKS": "", "INDEX_URL": f"{found.address}/user/simple"}
    for name, value in own.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("road", ["find-links", "index"])
def test_what_pip_is_configured_for_comes_first(
    tmp_path: Path, indexes: Indexes, monkeypatch: pytest.MonkeyPatch, road: str
) -> None:
    """As on a machine whose pip.conf names a folder or an index that has the local version."""
    wheel = make_wheel(tmp_path / "disk", "1.0+cpu")
    if road == "find-links":
        monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "disk"))
    else:
        indexes.put("user", wheel)
    folder = tmp_path / "wheels" / "tiny-amd64"
    [got] = wheelhouse.fill(lock_of(wheel), folder, "amd64", print, {"tiny-kit": indexes.own})
    assert got.read_bytes() == wheel.read_bytes()
    assert not any(path.startswith("/own/") for path in indexes.asked)


def test_what_the_users_index_lacks_comes_from_the_packages_own(tmp_path: Path, indexes: Indexes) -> None:
    indexes.put("user", make_wheel(tmp_path / "disk", "1.0"))  # as the ordinary index: no local versions
    wheel = make_wheel(tmp_path / "disk", "1.0+cpu")
    indexes.put("own", wheel)
    folder = tmp_path / "wheels" / "tiny-amd64"
    [got] = wheelhouse.fill(lock_of(wheel), folder, "amd64", print, {"tiny-kit": indexes.own})
    assert got.read_bytes() == wheel.read_bytes()
    assert indexes.asked[0].startswith("/user/")


def test_an_own_index_cannot_slip_in_another_file(tmp_path: Path, indexes: Indexes) -> None:
    wheel = make_wheel(tmp_path / "disk", "1.0+cpu")
    lock = lock_of(wheel)
    with wheel.open("ab") as stream:
        stream.write(b"one byte too many")
    indexes.put("own", wheel)
    folder = tmp_path / "wheels" / "tiny-amd64"
    with pytest.raises(BuildError, match=r"tiny-kit==1\.0\+cpu"):
        wheelhouse.fill(lock, folder, "amd64", print, {"tiny-kit": indexes.own})
    assert list(folder.iterdir()) == []


def test_an_own_index_that_does_not_answer_is_told_and_costs_no_retries(
    tmp_path: Path, indexes: Indexes
) -> None:
    lock = lock_of(make_wheel(tmp_path / "disk", "1.0+cpu"))
    folder = tmp_path / "wheels" / "tiny-amd64"
    with pytest.raises(BuildError, match=r"nor at its own index, http://127\.0\.0\.1:9/") as caught:
        wheelhouse.fill(lock, folder, "amd64", print, {"tiny-kit": "http://127.0.0.1:9/simple"})
    assert "tiny-kit==1.0+cpu" in str(caught.value)
    assert "Retrying" not in str(caught.value)


def test_the_matrix_names_the_index_of_every_local_version() -> None:
    for name, image in MATRIX.images.items():
        for arch in image.arches:
            for pin in locks.read(Workspace(ROOT).lock(name, arch)).pins:
                assert "+" not in pin.version or pin.name in image.indexes, f"{name}: {pin.name}"


def test_wheels_of_another_image_are_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    wheel = make_wheel(tmp_path / "wheels" / "other-amd64")
    found = wheelhouse.fill(lock_of(wheel), tmp_path / "wheels" / "tiny-amd64", "amd64", print)
    assert [path.parent.name for path in found] == ["tiny-amd64"]


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_two_unpacks_give_the_same_bytes(tmp_path: Path, arch: str) -> None:
    wheel, moved = make_wheel(tmp_path), make_wheel(tmp_path / "elsewhere")  # pip notes where a wheel was
    os.utime(wheel)
    first, second = tmp_path / "a" / "site", tmp_path / "another" / "site"
    wheelhouse.unpack([wheel], first, arch, ())
    old = os.umask(0o077)
    try:
        wheelhouse.unpack([moved], second, arch, ())
    finally:
        os.umask(old)
    assert tree(first) == tree(second)
    assert {date for _, date, _ in tree(first).values()} == {epoch()}
    assert {oct(mode & 0o777) for mode, _, _ in tree(first).values()} == {"0o755", "0o644"}


def test_unpack_drops_scripts_and_excluded_files(tmp_path: Path) -> None:
    wheelhouse.unpack(
        [make_wheel(tmp_path)], tmp_path / "site", "amd64", ("tiny_kit/include/**", "**/tests/**")
    )
    names = set(tree(tmp_path / "site"))
    assert "tiny_kit/__init__.py" in names
    assert not {name for name in names if "include" in name or "tests" in name or name.startswith("bin")}


def test_site_names_no_path_of_this_machine(tmp_path: Path) -> None:
    wheelhouse.unpack([make_wheel(tmp_path)], tmp_path / "site", "amd64", ())
    for _, _, content in tree(tmp_path / "site").values():
        assert str(tmp_path).encode() not in content


def test_site_is_made_again_when_what_it_depends_on_changes(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    wheel = make_wheel(workspace.wheels("tiny", "amd64"))
    locks.write(workspace.lock("tiny", "amd64"), ["tiny-kit"], lock_of(wheel).pins)
    image = matrices.Image("tiny", ("amd64",), ("tiny-kit",))
    first = wheelhouse.ensure_site(workspace, "tiny", image, "amd64", "", print)
    assert wheelhouse.ensure_site(workspace, "tiny", image, "amd64", "", pytest.fail) == first
    smaller = matrices.Image("tiny", ("amd64",), ("tiny-kit",), ("tiny_kit/tests/**",))
    second = wheelhouse.ensure_site(workspace, "tiny", smaller, "amd64", "", print)
    assert second != first
    assert not first.exists()  # gigabytes that nothing asks for


def test_loadgen_is_compiled_only_where_its_wheel_is_missing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    pin = locks.Pin("mlcommons-loadgen", "6.0.17", ("0" * 64,))
    locks.write(workspace.lock("tiny", "amd64"), [], [pin])
    locks.write(workspace.lock("tiny", "arm64"), [], [])
    locks.write(tmp_path / "images" / "locks" / "loadgen-source.txt", [], [pin])
    ground = "libc6=2.36 debian/pool/g/libc6_2.36_arm64.deb sha256:" + "0" * 64
    workspace.lock("sysroot", "arm64").write_text(f"{ground}\n")
    wants = matrices.Image(
        "tiny", ("amd64", "arm64"), ("mlcommons-loadgen==6.0.17; platform_machine == 'x86_64'",)
    )
    wants_not = matrices.Image("tiny", ("amd64", "arm64"), ("numpy",))
    assert loadgen.needed(workspace, "tiny", wants, "amd64") is None
    assert loadgen.needed(workspace, "tiny", wants_not, "arm64") is None
    assert loadgen.needed(workspace, "tiny", wants, "arm64") is not None
    site = wheelhouse.site_of(workspace, "tiny", wants, "arm64")
    assert site != wheelhouse.site_of(workspace, "tiny", wants_not, "arm64"), "LoadGen is part of the key"


def test_unreadable_lock_says_where(tmp_path: Path) -> None:
    path = tmp_path / "tiny-amd64.txt"
    path.write_text("# comment\ntiny-kit>=1\n")
    with pytest.raises(BuildError, match=r"tiny-amd64\.txt:2"):
        locks.read(path)
    with pytest.raises(BuildError, match="no lock"):
        locks.read(tmp_path / "gone.txt")


def test_locks_match_the_matrix() -> None:
    """Drift test: `invoke lock` was run after the last change of an image's requirements."""
    folder = ROOT / "images" / "locks"
    asked = {f"{n}-{a}.txt": image.requirements for n, image in MATRIX.images.items() for a in image.arches}
    asked["loadgen-source.txt"] = MATRIX.loadgen.source
    of_debian = {f"{name}-{arch}.txt" for name in ("base", "sysroot") for arch in ("amd64", "arm64")}
    assert {path.name for path in folder.glob("*-*.txt")} - of_debian == set(asked)
    for name, requirements in asked.items():
        lock = locks.read(folder / name)
        assert lock.asked == requirements, f"{name}: run `invoke lock`"
        assert all(len(pin.hashes) == 1 for pin in lock.pins)


def test_host_locks_match_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    host = locks.read(ROOT / "images" / "locks" / "host.txt")
    test = locks.read(ROOT / "images" / "locks" / "test.txt")
    assert list(host.asked) == project["dependencies"]
    assert list(test.asked) == project["dependencies"] + project["optional-dependencies"]["test"]
    assert {(pin.name, pin.version) for pin in host.pins} <= {(pin.name, pin.version) for pin in test.pins}
