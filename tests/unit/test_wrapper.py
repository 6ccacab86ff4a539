"""./invoke, the wrapper: what it says where it cannot set itself up."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


TOOLS = ("sh", "dirname", "cmp", "rm", "cp", "cksum", "tr", "readlink", "mkdir", "env", "sed", "ln", "chmod")
# What a Python does that can make no environment, and what uv does for it: a Python that says its words.
BARE = 'case "$3" in *venv*) exit 1 ;; esac'
UV = """
echo "$*" >>{log}
[ "$1" = pip ] && exit
mkdir -p {home}/bin
printf '#!/bin/sh\\necho ran\\n' >{home}/bin/python
chmod +x {home}/bin/python
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing but the wrapper and its lock, and a PATH without any Python."""
    root = tmp_path / "kit"
    (root / "images" / "locks").mkdir(parents=True)
    shutil.copy(ROOT / "invoke", root)
    shutil.copy(ROOT / "images" / "locks" / "host.txt", root / "images" / "locks")
    (root / "bin").mkdir()
    for tool in TOOLS:
        (root / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return root


def home(checkout: Path) -> Path:
    """Where the environment of the checkout's lock is kept."""
    with (checkout / "images" / "locks" / "host.txt").open() as lock:
        told = subprocess.run(["cksum"], stdin=lock, check=True, capture_output=True, text=True).stdout
    return checkout / ".cache" / "host" / "-".join(told.split())


def made(checkout: Path, python: str) -> Path:
    """An environment that is ready, whose Python is this script."""
    (home(checkout) / "bin").mkdir(parents=True)
    script(home(checkout) / "bin" / "python", python)
    shutil.copy(checkout / "images" / "locks" / "host.txt", home(checkout) / "host.txt")
    return home(checkout)


def run(
    checkout: Path, door: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(door or checkout / "invoke"), "--version"],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        env={"PATH": str(checkout / "bin"), **(env or {})},
    )


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_no_python(checkout: Path) -> None:
    done = run(checkout)
    assert done.returncode == 1
    assert done.stderr == "invoke: needs Python 3.11 or newer, or uv: apt-get install python3 python3-venv\n"


def test_macos_has_no_apt(checkout: Path) -> None:
    script(checkout / "bin" / "uname", "echo Darwin")
    done = run(checkout)
    assert done.returncode == 1
    assert done.stderr == "invoke: needs Python 3.11 or newer, or uv: brew install python, or python.org\n"


def test_python_without_venv_and_pip(checkout: Path) -> None:
    script(checkout / "bin" / "python3.11", BARE)
    done = run(checkout)
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr
    assert not home(checkout).exists()


def test_python_without_venv_uses_its_own_pip(checkout: Path) -> None:
    """Debian splits ensurepip off into python3-venv; python3-pip alone must do."""
    log = checkout / "log"
    script(checkout / "bin" / "python3.11", f'echo "$*" >>{log}; case "$3" in *ensurepip*) exit 1 ;; esac')
    run(checkout)
    said = log.read_text()
    assert f"-m venv --without-pip {home(checkout)}" in said
    assert f"-m pip --python {home(checkout)}/bin/python" in said
    assert "--require-hashes" in said


@pytest.mark.parametrize("there", [True, False], ids=["no venv, no pip", "no Python"])
def test_uv_will_do(checkout: Path, there: bool) -> None:
    log = checkout / "log"
    if there:
        script(checkout / "bin" / "python3.11", BARE)
    script(checkout / "bin" / "uv", UV.format(log=log, home=home(checkout)))
    done = run(checkout)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["ran"]), done.stderr
    venv, installed = log.read_text().splitlines()
    assert venv == f"venv -q --python {'python3.11' if there else '3.11'} {home(checkout)}"
    assert "--require-hashes" in installed
    assert (home(checkout) / "host.txt").is_file()


def test_current_environment_is_used_as_it_is(checkout: Path) -> None:
    made(checkout, 'echo "$1 $4 $5"')
    done = run(checkout)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"-I {checkout} --version"


def test_environment_of_another_lock_stays_and_a_new_one_is_made(checkout: Path) -> None:
    """A run goes on in its own environment while an update makes the next."""
    old = made(checkout, "exit 0")
    with (checkout / "images" / "locks" / "host.txt").open("a") as lock:
        lock.write("# another\n")
    assert home(checkout) != old
    done = run(checkout)  # there is no Python to make it with: but it noticed
    assert "needs Python 3.11" in done.stderr
    assert (old / "bin" / "python").is_file()


def test_a_link_to_the_wrapper_touches_nothing_where_it_lies(checkout: Path, tmp_path: Path) -> None:
    """On the old wrapper the .venv of the folder in which a link lay was deleted."""
    made(checkout, 'echo "$4"')
    stranger = tmp_path / "stranger"
    (stranger / ".venv").mkdir(parents=True)
    (stranger / ".venv" / "mine.txt").write_text("mine")
    (stranger / "far").symlink_to(checkout / "invoke")
    (stranger / "kit").symlink_to("far")
    done = run(checkout, stranger / "kit")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, str(checkout)), done.stderr
    assert (stranger / ".venv" / "mine.txt").read_text() == "mine"


def test_a_venv_that_bears_no_stamp_of_ours_stays(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "mine.txt").write_text("an editor's")
    script(checkout / "bin" / "uv", UV.format(log=checkout / "log", home=home(checkout)))
    assert run(checkout).returncode == 0
    assert (checkout / ".venv" / "mine.txt").read_text() == "an editor's"


def test_the_shells_python_and_pip_variables_stay_outside(checkout: Path) -> None:
    made(checkout, "env")
    mirror = {"PIP_INDEX_URL": "https://mirror.example/simple", "HTTPS_PROXY": "http://proxy.example"}
    astray = {"PYTHONPATH": "/evil", "PIP_TARGET": "/elsewhere", "PIP_USER": "1", "INVOKE_RUN_DRY": "1"}
    done = run(checkout, env={**mirror, **astray})
    left = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert not left & set(astray)
    assert set(mirror) <= left
