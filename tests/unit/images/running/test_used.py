"""What makes rounds belong together: the kit's code and the CPU are parts of a cell's key."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from fixtures_results import MATRIX, matrix

from images.engines import machine
from images.making import bench_files
from images.running import specs

ROOT = MATRIX.parent


def used(root: Path, **changes: Any) -> dict[str, Any]:
    """What OpenVINO's cells are measured with on this machine, changed."""
    here = replace(machine.local(), **changes)
    session = SimpleNamespace(
        workbench=SimpleNamespace(machine=here, engine=SimpleNamespace(kind="docker")),
        workspace=SimpleNamespace(root=root),
        matrix=matrix(),
        locks={"openvino": "l"},
        emulated=False,
        threads=2,
        platform_facts=None,
    )
    prepared = SimpleNamespace(data=SimpleNamespace(sha256="d"))
    return specs.used(cast("Any", session), cast("Any", prepared))["openvino"]


def test_other_code_in_the_image_is_another_key_and_a_converter_s_is_not(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "bench", tmp_path / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    before = used(tmp_path)
    assert before == used(tmp_path)
    (tmp_path / "bench/convert/prepare.py").write_text("# changed\n")
    (tmp_path / "bench/plan/prediction.py").write_text("# changed\n")
    assert used(tmp_path) == before
    (tmp_path / "bench/measure/warmup.py").write_text("# changed\n")
    assert used(tmp_path)["code"] != before["code"]
    assert bench_files.digest(tmp_path, "openvino") == used(tmp_path)["code"]


def test_another_cpu_is_another_key(tmp_path: Path) -> None:
    flags = ("avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni", "avx_vnni")
    one = used(ROOT, cpu_model="A", flags=flags)
    assert used(ROOT, cpu_model="A", flags=(*flags, "a_flag_of_a_newer_kernel")) == one
    assert used(ROOT, cpu_model="B", flags=flags) != one
    assert used(ROOT, cpu_model="A", flags=("avx2", "fma")) != one, "a hypervisor hides what the model has"


def stage(root: Path, files: dict[str, str]) -> list[str]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return machine.marks(root)


def test_two_machines_of_one_name_are_two(tmp_path: Path) -> None:
    card = "sys/class/net/eth0"
    here = {"etc/machine-id": "aa\n", f"{card}/device/x": "", f"{card}/addr_assign_type": "0\n"}
    one = stage(tmp_path / "one", {**here, f"{card}/address": "02:00:01"})
    copy = stage(tmp_path / "copy", {**here, f"{card}/address": "02:00:02"})
    assert one == stage(tmp_path / "again", {**here, f"{card}/address": "02:00:01"})
    assert machine.marked("cpu", *one) != machine.marked("cpu", *copy)
    names = {
        replace(machine.local(), name="vm", mark=machine.marked("cpu", *each)).label for each in (one, copy)
    }
    assert len(names) == 2


def test_what_comes_and_goes_does_not_make_another_machine(tmp_path: Path) -> None:
    bridge = {"sys/class/net/docker0/address": "02:42", "sys/class/net/docker0/addr_assign_type": "3"}
    drawn = {"sys/class/net/wlan0/address": "5e", "sys/class/net/wlan0/addr_assign_type": "1"}
    assert stage(
        tmp_path, {"etc/machine-id": "aa", **bridge, **drawn, "sys/class/net/wlan0/device/x": ""}
    ) == ["aa"]
