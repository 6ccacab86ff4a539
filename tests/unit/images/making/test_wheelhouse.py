"""Locks and wheels, without a network: everything here works on wheels made on the spot."""

from __future__ import annotations

import os
import tomllib
import zipfile
from pathlib import Path

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
