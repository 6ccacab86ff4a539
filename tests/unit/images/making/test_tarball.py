"""Tar streams, read back with the standard library."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from images.making.tarball import Member, entries, length, stream
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
