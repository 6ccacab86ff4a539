"""What compiled code stands on: links stay inside, too new symbols are refused, the key has the compiler."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bench.common.errors import BuildError
from images.making import loadgen, sysroot
from images.making.lock import Lock, Pin
from images.making.sysroot import Sysroot
from images.workspace import Workspace

# As readelf of binutils 2.40 prints them: LoadGen of g++ 14 on Debian 13.
SYMBOLS = """
Symbol table '.dynsym' contains 4 entries:
   Num:    Value          Size Type    Bind   Vis      Ndx Name
     1: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND memcpy@GLIBC_2.17 (2)
     2: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND {}
     3: 0000000000012340    40 FUNC    GLOBAL DEFAULT   12 PyInit_mlperf_loadgen
"""
VERSIONS = """
Version definition section '.gnu.version_d' contains 3 entries:
  0x001c: Rev: 1  Flags: none  Index: 2  Cnt: 1  Name: GLIBCXX_3.4
  0x0038: Rev: 1  Flags: none  Index: 3  Cnt: 2  Name: GLIBCXX_3.4.30
  0x0058: Rev: 1  Flags: none  Index: 4  Cnt: 2  Name: GLIBCXX_3.4.9
Version needs section '.gnu.version_r' contains 1 entry:
  0x0010:   Name: GLIBC_2.99  Flags: none  Version: 11
"""
NEWEST = {"GLIBC": "2.36", "GLIBCXX": "3.4.30"}
COMPILER = "aarch64-linux-gnu-g++ (Debian 14.2.0-19) 14.2.0"


@pytest.mark.parametrize(
    ("symbol", "version"),
    [
        ("__isoc23_strtoul@GLIBC_2.38 (3)", "GLIBC_2.38"),
        ("_ZSt21ios_base_library_initv@GLIBCXX_3.4.32 (3)", "GLIBCXX_3.4.32"),
    ],
)
def test_a_symbol_that_no_image_has_is_refused(
    symbol: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysroot, "_read", lambda *_: SYMBOLS.format(symbol))
    with pytest.raises(BuildError, match="no image could load it") as caught:
        sysroot.check(Path("x.so"), NEWEST, COMPILER)
    assert version in str(caught.value)
    assert COMPILER in str(caught.value)
    assert "GCC 12" in caught.value.remedy


@pytest.mark.parametrize("symbol", ["pow@GLIBC_2.29 (3)", "PyErr_Clear", "x@@GLIBC_2.4 (3)", "y@OTHER_9.9"])
def test_what_the_image_has_passes(symbol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysroot, "_read", lambda *_: SYMBOLS.format(symbol))
    sysroot.check(Path("x.so"), NEWEST, COMPILER)


def test_the_newest_version_is_the_library_s_own_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysroot, "_read", lambda *_: VERSIONS)
    assert Sysroot(Path(), "x").newest() == NEWEST


@pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc")
def test_a_real_library_is_read(tmp_path: Path) -> None:
    source, library = tmp_path / "x.c", tmp_path / "x.so"
    source.write_text("#include <stdlib.h>\nint x(const char *s) { return atoi(s) + (getenv(s) != 0); }\n")
    subprocess.run(["gcc", "-O0", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    sysroot.check(library, {"GLIBC": "99.0"}, "gcc")
    with pytest.raises(BuildError, match=r"(atoi|getenv)@GLIBC_2\.\d+"):
        sysroot.check(library, {"GLIBC": "2.1"}, "gcc")


@pytest.mark.skipif(not shutil.which("readelf"), reason="no binutils")
def test_what_is_no_library_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "x.so"
    broken.write_text("no ELF")
    with pytest.raises(BuildError, match="cannot read"):
        sysroot.check(broken, NEWEST, "gcc")


def write_lock(workspace: Workspace, arch: str, digit: str) -> None:
    path = workspace.lock("sysroot", arch)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"libc6-dev=2.36 debian/pool/g/libc6-dev_2.36_{arch}.deb sha256:{digit * 64}\n")


def test_another_sysroot_makes_another_wheel(tmp_path: Path) -> None:
    source, workspace = Lock(tmp_path / "source.txt", (), ()), Workspace(tmp_path)
    write_lock(workspace, "arm64", "0")
    before = loadgen.key(workspace, source, "arm64")
    write_lock(workspace, "arm64", "1")
    assert loadgen.key(workspace, source, "arm64") != before


def test_another_compiler_makes_another_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    source = Lock(tmp_path / "loadgen-source.txt", (), (Pin("mlcommons-loadgen", "6.0.17", ("0" * 64,)),))
    workspace = Workspace(tmp_path)
    for arch in ("arm64", "amd64"):
        write_lock(workspace, arch, "0")
    monkeypatch.setattr("images.making.loadgen.platform.machine", lambda: "x86_64")
    keys = [loadgen.key(workspace, source, "arm64")]
    for version in ("12.2.0", "14.2.0"):
        compiler = tmp_path / "aarch64-linux-gnu-g++"
        compiler.write_text(f"#!/bin/sh\necho 'aarch64-linux-gnu-g++ (Debian) {version}'\necho Copyright\n")
        compiler.chmod(0o755)
        keys.append(loadgen.key(workspace, source, "arm64"))
    assert len({*keys, loadgen.key(workspace, source, "amd64")}) == 4


def test_a_missing_compiler_is_named_as_debian_packages_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("images.making.loadgen.platform.machine", lambda: "aarch64")
    for arch, package in (("amd64", "g++-x86-64-linux-gnu"), ("arm64", "g++")):
        with pytest.raises(BuildError, match="is missing") as caught:
            loadgen._compiler(arch)
        assert caught.value.remedy == f"apt-get install {package}"
