"""What a user chooses beside the defaults: data of their own, sweeps, cells over the time limit."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkout import ROOT, Kit
from PIL import Image

OFFLINE = ("--framework", "openvino", "--scenario", "Offline")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Twelve pictures of noise in each of four class folders, of sizes that need a resize and a crop."""
    draw = random.Random(7)
    for label in ("cat", "cow", "dog", "owl"):
        (tmp_path / "photographs" / label).mkdir(parents=True)
        for number in range(12):
            size = draw.randint(230, 300), draw.randint(230, 300)
            picture = Image.frombytes("RGB", size, draw.randbytes(3 * size[0] * size[1]))
            picture.save(tmp_path / "photographs" / label / f"{number}.jpeg")
    return tmp_path / "photographs"


@pytest.fixture
def data_made() -> Iterator[None]:
    """Delete the arrays that a test has made; the artifacts are small."""
    folder = ROOT / ".cache" / "data"
    before = set(folder.glob("*"))
    yield
    for made in set(folder.glob("*")) - before:
        shutil.rmtree(made)


@pytest.mark.docker
@pytest.mark.usefixtures("engine", "data_made")
def test_a_folder_of_photographs_is_read_in_a_container(kit: Kit, photographs: Path) -> None:
    words = (*OFFLINE, "--method", "FP32", "--engine", "docker", "--dataset", f"folder:{photographs}")
    done = kit.run(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "calibration: 12 images" in done.stdout
    [result] = kit.results().values()
    assert result["dataset"].startswith("folder-")
    assert result["agreement"]["max_abs_diff"] < 1e-3
    assert result["accuracy"] is None
    assert "probe weights do not know the classes" in result["accuracy_reason"]
    assert result["dataset"] in (kit.run_dir / "report.html").read_text()


def test_a_missing_folder_ends_the_run_before_anything_is_built(kit: Kit, tmp_path: Path) -> None:
    done = kit.run(*OFFLINE, "--dataset", f"folder:{tmp_path}/none", "--engine", "native")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "no such folder" in done.stderr
    assert not kit.run_dir.exists()


def test_the_kernels_show_that_a_cap_held(kit: Kit) -> None:
    if "avx512_vnni" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this CPU has no VNNI to take away")
    done = kit.run(*OFFLINE, "--method", "INT8-OM", "--sweep", "isa", "--engine", "native")
    assert done.returncode == 0, done.stdout + done.stderr
    highest = {
        result["cell"]["isa"]: result["evidence"]["facts"]["isa"]["highest"]
        for result in kit.results().values()
    }
    assert highest["AVX2"] == "avx2"
    assert highest["AVX512_CORE"] == "avx512_core"
    assert highest["AVX512_CORE_VNNI"] == "avx512_core_vnni"
    assert highest["native"] not in ("avx2", "avx512_core")
    report = (kit.run_dir / "report.html").read_text()
    assert "without VNNI" in report


def test_a_cell_over_the_limit_is_left_out_and_measured_on_demand(copy: Callable[[str, str], Kit]) -> None:
    smoke = "accuracy_samples = 32\naccuracy_limit = 0\ncell_limit = "
    kit = copy(f"{smoke}0", f"{smoke}0.001")
    words = (*OFFLINE, "--method", "FP32", "--engine", "native")
    first = kit.run(*words)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "left out" in first.stdout
    assert kit.results() == {}
    report = (kit.run_dir / "report.html").read_text()
    assert "--no-limit measures it" in report
    second = kit.run(*words, "--no-limit")
    assert second.returncode == 0, second.stdout + second.stderr
    assert len(kit.results()) == 1
    assert "left out" not in second.stdout


def test_a_users_file_that_is_no_weights_is_the_reason_of_its_cells(kit: Kit, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(os.urandom(64))
    done = kit.run(*OFFLINE, "--method", "FP32", "--engine", "native", "--weights", f"file:{path}")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "mine.safetensors" in done.stderr, "the last word is the root cause"
    assert "every other cell is measured" in done.stdout
    assert "Traceback" not in done.stderr
