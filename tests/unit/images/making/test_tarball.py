"""Tar streams, read back with the standard library."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from bench.common.errors import BuildError
from images.making.tarball import Member, entries, extract, length, stream
from images.workspace import epoch


def read(members: list[Member]) -> tarfile.TarFile:
    data = b"".join(stream(members))
    assert len(data) == length(members)
    return tarfile.open(fileobj=io.BytesIO(data))


def test_tree_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / ("long" * 40)).write_bytes(b"x" * 513)
    (tmp_path / "folder" / "ü").touch(mode=0o755)
    (tmp_path / "link").symlink_to("/etc/passwd")
    with read(entries(tmp_path, "opt/site/")) as tar:
        names = ["opt", "opt/site", "opt/site/folder", f"opt/site/folder/{'long' * 40}", "opt/site/folder/ü"]
        assert tar.getnames() == [*names, "opt/site/link"]
        assert tar.extractfile(names[3]).read() == b"x" * 513  # type: ignore[union-attr]
        assert tar.getmember("opt/site/folder/ü").mode == 0o755
        assert tar.getmember("opt/site/link").linkname == "/etc/passwd"
        assert {(m.mtime, m.uid, m.gid, m.uname) for m in tar} == {(epoch(), 0, 0, "")}


def test_archive_in_an_archive() -> None:
    with read([("inner.tar", [("a", b"1" * 700), ("b", b"")]), ("c", b"3")]) as tar:
        inner = tar.extractfile("inner.tar")
        assert inner is not None
        with tarfile.open(fileobj=inner) as nested:
            assert nested.getnames() == ["a", "b"]
            assert nested.extractfile("a").read() == b"1" * 700  # type: ignore[union-attr]


@pytest.fixture(params=[True, False], ids=["with tarfile's filter", "as Debian 12's Python"])
def filtering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own filter is there, or not."""
    if not request.param:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_members_are_unpacked_and_links_stay_inside(tmp_path: Path, filtering: None) -> None:
    tree = tmp_path / "tree"
    (tree / "usr").mkdir(parents=True)
    (tree / "usr" / "file").write_text("content")
    (tree / "usr" / "link").symlink_to("../usr/file")
    with read(entries(tree)) as tar:
        extract(tar, tmp_path / "out")
    assert (tmp_path / "out" / "usr" / "link").read_text() == "content"


@pytest.mark.parametrize(
    ("name", "link"), [("../outside", ""), ("/outside", ""), ("usr/link", "../../outside"), ("link", "/etc")]
)
def test_what_would_land_outside_is_refused(tmp_path: Path, filtering: None, name: str, link: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = (tarfile.SYMTYPE, link) if link else (tarfile.REGTYPE, "")
    archive = io.BytesIO(member.tobuf() + bytes(1024))
    with tarfile.open(fileobj=archive) as tar, pytest.raises(BuildError, match="outside of its folder"):
        extract(tar, tmp_path / "out")
    assert not (tmp_path / "outside").exists()
