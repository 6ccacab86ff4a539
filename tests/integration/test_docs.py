"""Every command of README and docs/ is run as it stands there, on fewer cells, in the page's order."""

# ruff: noqa: F401, F811 (fixtures come by import)

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from pathlib import Path

import pages
import pytest
from checkout import ROOT
from engines import second_engine, ssh_server, swarm
from local_registry import LocalRegistry, free_port, registry

from images.desk import generate

DOCS = ROOT / "docs"
PAGES = sorted(page.stem for page in DOCS.glob("*.md"))
# Exit codes that are an answer: a claim that does not hold, a slower run; and a file that has to be
# fetched from a network that a test has not.
ANSWERS = {"claims": {0, 13}, "compare": {0, 10}, "reproduce": {0, 14}}
FETCHES = "--weights imagenet"


def test_the_reference_is_up_to_date() -> None:
    assert (ROOT / generate.FILE).read_text() == generate.render(ROOT), "run `invoke generate`"


def test_links_between_pages_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *DOCS.glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_files_of_the_kit_that_pages_name_are_there() -> None:
    for page in (ROOT / "README.md", *DOCS.glob("*.md")):
        for path in re.findall(r"`((?:bench|images|reports|tests|docs)/[\w./-]*\.\w+)`", page.read_text()):
            assert (ROOT / path).exists() or "NAME" in path, f"{page.name}: {path}"


@pytest.fixture
def page(tmp_path: Path, registry: LocalRegistry) -> pages.Page:
    """A checkout, with what the pages name put in its place."""
    root = tmp_path / "checkout"
    root.mkdir()
    found = pages.Page(pages.checkout(root))
    pages.weights(root / "mine.safetensors")
    pages.photos(root / "photos")
    pages.ilsvrc(tmp_path / "data" / "ILSVRC2012")
    found.names |= {"registry.example:5000": registry.host, "/data/": f"{tmp_path}/data/"}
    return found


@pytest.fixture
def devices(page: pages.Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The machine's own engine over SSH and a second one for two Pis, and a swarm on the second."""
    ssh, engine = (tmp_path_factory.mktemp(name) for name in ("ssh", "engine"))  # a socket's path is short
    address = f"127.0.0.1:{free_port()}"
    with (
        ssh_server(ssh) as (host, env),
        second_engine(engine) as second,
        swarm(second, address) as node,
    ):
        page.env |= {**env, "DOCKER_HOST": second.host}
        page.names |= {"ssh://pi@raspberrypi": host, "ssh://pi@a": host, "ssh://pi@b": second.host}
        page.names["NODE"] = node
        yield


def check(page: pages.Page, name: Path) -> None:
    for language, text in pages.blocks(name):
        page.apply(language, text)
        for line, done in page.done:
            task = line.split()[1]
            allowed = {0, 6} if FETCHES in line else ANSWERS.get(task, {0})
            assert done.returncode in allowed, f"{line}\n{done.stdout}\n{done.stderr}"
            assert done.returncode == 0 or "Traceback" not in done.stderr, done.stderr
    for path in re.findall(r"`(out/[^`<>]+)`", name.read_text()):
        assert (page.kit.root / path).exists(), path


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the pages' artifacts are made on amd64")
@pytest.mark.parametrize("name", [name for name in PAGES if name != generate.FILE.stem])
def test_every_command_of_a_page_runs(page: pages.Page, name: str, request: pytest.FixtureRequest) -> None:
    if "ssh://" in (DOCS / f"{name}.md").read_text():
        request.getfixturevalue("devices")
    check(page, DOCS / f"{name}.md")
