"""Downloads from a server on this machine, with everything that goes wrong on the way."""

from __future__ import annotations

import errno
import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from range_server import Site, serve

from bench.common.errors import ArtifactError
from images.preparing import fetch as module
from images.preparing.fetch import fetch

CONTENT = bytes(range(256)) * 2048  # 512 kB
ROOT = Path(__file__).parents[4]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks small enough to be interrupted between, pauses too short to notice, no proxy."""
    monkeypatch.setattr(module, "CHUNK", 4096)
    monkeypatch.setattr(module, "PAUSE_S", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def sha256(content: bytes = CONTENT) -> str:
    return hashlib.sha256(content).hexdigest()


def get(site: Site, folder: Path, pin: str = "") -> Path:
    return fetch(site.url, folder / "weights" / "net.pth", pin or sha256(site.content))


def left(folder: Path) -> set[str]:
    return {path.name for path in (folder / "weights").iterdir()} - {".lock"}


@pytest.mark.parametrize("pin", [sha256(), sha256()[:8], "md5:" + hashlib.md5(CONTENT).hexdigest()])
def test_a_file_with_the_pinned_hash_is_there_alone(tmp_path: Path, pin: str) -> None:
    with serve(Site(CONTENT)) as site:
        target = get(site, tmp_path, pin)
    assert target.read_bytes() == CONTENT
    assert left(tmp_path) == {"net.pth"}
    assert target.stat().st_mode & 0o777 == 0o644, "another user's container reads it"


def test_a_file_that_is_there_is_not_asked_for_again(tmp_path: Path) -> None:
    with serve(Site(CONTENT)) as site:
        get(site, tmp_path)
        get(site, tmp_path)
        assert len(site.asked) == 1


def test_a_file_put_there_by_hand_is_checked(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "net.pth").write_bytes(b"another")
    with pytest.raises(ArtifactError, match=f"SHA-256 {sha256(b'another')}, expected {sha256()}") as caught:
        fetch("http://127.0.0.1:9/", tmp_path / "weights" / "net.pth", sha256())
    assert "delete it" in caught.value.remedy
    assert left(tmp_path) == {"net.pth"}


@settings(max_examples=15)
@given(st.lists(st.integers(0, len(CONTENT)), max_size=4))
def test_however_often_it_breaks_the_bytes_are_right(
    tmp_path_factory: pytest.TempPathFactory, breaks: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("fetch")
    with serve(Site(CONTENT, breaks=breaks)) as site:
        assert get(site, folder).read_bytes() == CONTENT
    assert left(folder) == {"net.pth"}


def test_a_broken_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with serve(Site(CONTENT, breaks=[200_000])) as site:
        get(site, tmp_path)
    first, second = site.asked
    assert "Range" not in first
    assert 0 < int(second["Range"].removeprefix("bytes=").removesuffix("-")) <= 200_000
    assert second["If-Range"] == '"one"'


def test_a_later_command_goes_on_where_an_earlier_one_failed(tmp_path: Path) -> None:
    with serve(Site(CONTENT, breaks=[200_000], errors=[])) as site:
        site.breaks += [0] * 10
        with pytest.raises(ArtifactError, match="cannot download") as caught:
            get(site, tmp_path)
        assert "goes on from byte" in caught.value.remedy
        assert left(tmp_path) == {"net.pth.partial", "net.pth.partial.json"}
        here = (tmp_path / "weights" / "net.pth.partial").stat().st_size
        assert here > 0
        site.breaks.clear()
        assert get(site, tmp_path).read_bytes() == CONTENT
        assert site.asked[-1]["Range"] == f"bytes={here}-"
    assert left(tmp_path) == {"net.pth"}


@pytest.mark.parametrize("etag", ['"two"', ""])
def test_a_file_that_changed_meanwhile_starts_again(tmp_path: Path, etag: str) -> None:
    with serve(Site(b"x" * 300_000, breaks=[200_000, *[0] * 10])) as site:
        with pytest.raises(ArtifactError):
            get(site, tmp_path)
        site.content, site.etag, site.breaks = CONTENT, etag, []
        assert get(site, tmp_path).read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_of_it_again(tmp_path: Path) -> None:
    with serve(Site(CONTENT, ranges=False, breaks=[200_000])) as site:
        assert get(site, tmp_path).read_bytes() == CONTENT
        assert len(site.asked) == 2


@pytest.mark.parametrize(("etag", "modified"), [("", ""), ('W/"one"', "")])
def test_nothing_is_resumed_without_a_validator(tmp_path: Path, etag: str, modified: str) -> None:
    with serve(Site(CONTENT, etag=etag, modified=modified, breaks=[200_000])) as site:
        assert get(site, tmp_path).read_bytes() == CONTENT
    assert not any("Range" in asked for asked in site.asked)


def test_a_date_is_a_validator_too(tmp_path: Path) -> None:
    date = "Tue, 27 Nov 2018 23:59:59 GMT"
    with serve(Site(CONTENT, etag="", modified=date, breaks=[200_000])) as site:
        get(site, tmp_path)
    assert site.asked[1]["If-Range"] == date


def test_a_whole_partial_only_needs_its_name(tmp_path: Path) -> None:
    """Killed between the last byte and the rename."""
    with serve(Site(CONTENT)) as site:
        weights = tmp_path / "weights"
        weights.mkdir()
        (weights / "net.pth.partial").write_bytes(CONTENT)
        facts = f'{{"url": "{site.url}", "validator": "\\"one\\""}}'
        (weights / "net.pth.partial.json").write_text(facts)
        assert get(site, tmp_path).read_bytes() == CONTENT
        assert len(site.asked) == 1


def test_the_wrong_content_is_deleted_and_said(tmp_path: Path) -> None:
    page = Site(b"<html>a hotel's login page</html>")
    with serve(page) as site, pytest.raises(ArtifactError) as caught:
        get(site, tmp_path, "b0353104")
    assert f"SHA-256 {sha256(site.content)}, expected b0353104" in caught.value.message
    assert caught.value.where == site.url
    assert "net.pth" in caught.value.remedy
    assert left(tmp_path) == set()


def test_errors_that_pass_are_waited_for(tmp_path: Path) -> None:
    with serve(Site(CONTENT, errors=[503, 429])) as site:
        assert get(site, tmp_path).read_bytes() == CONTENT
        assert len(site.asked) == 3


def test_other_errors_are_said_at_once(tmp_path: Path) -> None:
    with serve(Site(CONTENT, errors=[404])) as site:
        with pytest.raises(ArtifactError, match="HTTP 404") as caught:
            get(site, tmp_path)
        assert len(site.asked) == 1
    assert str(tmp_path / "weights" / "net.pth") in caught.value.remedy


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/net.pth", "http://no-such-host.invalid/net.pth"])
def test_no_network_says_where_to_put_the_file(tmp_path: Path, url: str) -> None:
    with pytest.raises(ArtifactError, match="cannot download") as caught:
        fetch(url, tmp_path / "net.pth", sha256())
    assert caught.value.where == url
    assert f"put the file at {tmp_path / 'net.pth'}" in caught.value.remedy


def test_a_url_that_is_none_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot download"):
        fetch("weights", tmp_path / "net.pth", sha256())


def test_a_full_disk_passes_and_keeps_what_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = requests.Response.iter_content

    def full(self: requests.Response, size: int) -> object:
        yield next(iter(real(self, size)))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(requests.Response, "iter_content", full)
    with serve(Site(CONTENT)) as site, pytest.raises(OSError, match="No space left"):
        get(site, tmp_path)
    assert (tmp_path / "weights" / "net.pth.partial").stat().st_size == 4096


def test_ctrl_c_keeps_the_partial(tmp_path: Path) -> None:
    content = CONTENT * 8
    program = (
        "import sys; from pathlib import Path; from images.preparing import fetch\n"
        "fetch.CHUNK = 4096\n"
        "fetch.fetch(sys.argv[1], Path(sys.argv[2]), sys.argv[3])"
    )
    target = tmp_path / "weights" / "net.pth"
    partial = target.with_name("net.pth.partial")
    with serve(Site(content, hold=1 << 20)) as site:
        words = [sys.executable, "-c", program, site.url, str(target), sha256(content)]
        process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not (partial.exists() and partial.stat().st_size >= 1 << 19):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.wait(20)
        site.go.set()
        here = partial.stat().st_size
        assert not target.exists()
        assert get(site, tmp_path).read_bytes() == content
        assert site.asked[-1]["Range"] == f"bytes={here}-"
