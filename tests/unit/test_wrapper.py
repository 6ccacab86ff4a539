"""./invoke, the wrapper: what it says where it cannot set itself up."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing but the wrapper and its lock, and a PATH without any Python."""
    (tmp_path / "images" / "locks").mkdir(parents=True)
    shutil.copy(ROOT / "invoke", tmp_path)
    shutil.copy(ROOT / "images" / "locks" / "host.txt", tmp_path / "images" / "locks")
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "dirname", "cmp", "rm", "cp"):
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return tmp_path


def run(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(checkout / "invoke"), "--version"],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        env={"PATH": str(checkout / "bin")},
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
    script(checkout / "bin" / "python3.11", 'case "$2" in *venv*) exit 1 ;; esac')
    done = run(checkout)
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr
    assert not (checkout / ".venv").exists()


def test_python_without_venv_uses_its_own_pip(checkout: Path) -> None:
    """Debian splits ensurepip off into python3-venv; python3-pip alone must do."""
    log = checkout / "log"
    script(checkout / "bin" / "python3.11", f'echo "$*" >>{log}; case "$2" in *ensurepip*) exit 1 ;; esac')
    run(checkout)
    said = log.read_text()
    assert f"-m venv --without-pip {checkout}/.venv" in said
    assert f"-m pip --python {checkout}/.venv/bin/python" in said
    assert "--require-hashes" in said


@pytest.mark.parametrize("there", [True, False], ids=["no venv, no pip", "no Python"])
def test_uv_will_do(checkout: Path, there: bool) -> None:
    log = checkout / "log"
    if there:
        script(checkout / "bin" / "python3.11", 'case "$2" in *venv*) exit 1 ;; esac')
    script(
        checkout / "bin" / "uv",
        f'echo "$*" >>{log}\n'
        f'[ "$1" = pip ] || {{ {shutil.which("mkdir")} -p {checkout}/.venv/bin\n'
        f'printf "#!/bin/sh\\necho ran\\n" >{checkout}/.venv/bin/python\n'
        f"{shutil.which('chmod')} +x {checkout}/.venv/bin/python; }}",
    )
    done = run(checkout)
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr
    made, installed = log.read_text().splitlines()
    assert made == f"venv -q --python {'python3.11' if there else '3.11'} {checkout}/.venv"
    assert "--require-hashes" in installed
    assert (checkout / ".venv" / "host.txt").is_file()


def test_current_environment_is_used_as_it_is(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    script(checkout / ".venv" / "bin" / "python", f'[ "$1" = -c ] || exec {sys.executable} -c "print(1)"')
    shutil.copy(checkout / "images" / "locks" / "host.txt", checkout / ".venv" / "host.txt")
    done = run(checkout)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_stale_environment_is_made_again(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    script(checkout / ".venv" / "bin" / "python", "exit 0")
    (checkout / ".venv" / "host.txt").write_text("another lock\n")
    done = run(checkout)  # there is no Python to make it with: but it noticed
    assert "needs Python 3.11" in done.stderr
