"""`invoke claims` and its section in the report: what is run, what is judged, how it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import fixtures_results as fixtures
import pytest
from fixtures_claims import FILE, MATRIX, cells_of, factor, plant
from fixtures_report import Page
from rich.console import Console

from bench.common.errors import FailedCellsError, NotReproducedError, UsageError
from bench.plan.cells import Cell
from bench.store import results
from images.choosing.session import Session
from images.desk import claims, docket
from images.engines import machine
from reports.report.assemble import render

ROOT = Path(__file__).resolve().parents[4]
FLAGS = ("platform", "profile", "engine", "name", "weights", "dataset", "sweep")
FILTERS = ("host", "framework", "model", "method", "scenario")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose out/ is empty, on a machine with VNNI."""
    for name in ("matrix.toml", "images", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    here = replace(machine.local(), arch="amd64", flags=fixtures.FLAGS, cpu_model="Invented CPU 9000")
    monkeypatch.setattr(machine, "local", lambda: here)
    monkeypatch.setattr(claims, "CONSOLE", Console(width=100))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return tmp_path


def session(root: Path, **flags: Any) -> Session:
    return Session.open(root, {**dict.fromkeys(FLAGS, ""), **dict.fromkeys(FILTERS), **flags})


def runs(root: Path, *ids: str, **by_method: float) -> None:
    """Plant the runs that these claims are judged by."""
    for sweep in dict.fromkeys(FILE.claims[name].sweep for name in ids):
        folder = root / "out" / "-".join(filter(None, ["host", "quick", sweep]))
        cells = cells_of(*(name for name in ids if FILE.claims[name].sweep == sweep))
        plant(folder, cells, factor(1.0, **by_method))


# ---------------------------------------------------------------------------- what is needed


def test_a_claim_needs_the_cells_it_names_in_the_run_of_its_sweep(root: Path) -> None:
    found = docket.find(session(root))
    assert {cell.id.partition("probe.")[2] for cell in found.cells["ort-static-gains-offline"]} == {
        "FP32.Offline.b32.native",
        "INT8-SQ.Offline.b32.native",
    }
    assert {cell.batch for cell in found.cells["batch-trend"]} == {1, 2, 4, 8, 16, 32}
    assert {cell.isa for cell in found.cells["skylake-1-5"]} == {"AVX512_CORE"}
    assert found.sessions["isa"].run_dir == root / "out" / "host-quick-isa"
    assert found.cells["tflite-fastest-pi"] == frozenset()
    assert "arm64" in found.obstacles["tflite-fastest-pi"]


def test_a_machine_without_vnni_needs_no_cell_for_claims_about_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = replace(machine.local(), flags=("avx2",))
    monkeypatch.setattr(machine, "local", lambda: here)
    found = docket.find(session(root))
    assert found.obstacles["cascade-lake-2-5"] == "this CPU does not have AVX-512 with VNNI"
    assert not found.cells["cascade-lake-2-5"]
    assert found.cells["openvino-om-faster"]


def test_where_no_timing_is_performance_only_sizes_are_measured(root: Path) -> None:
    smoke, emulated = (
        docket.find(session(root, **flags)) for flags in ({"profile": "smoke"}, {"platform": "rpi4"})
    )
    for found, why in ((smoke, "profile smoke measures no performance"), (emulated, "rpi4 is emulated here")):
        assert why in found.obstacles["can-be-slower"]
        needed = {name for name, cells in found.cells.items() if cells}
        assert {FILE.claims[name].metric for name in needed} == {"size"}


def test_the_list_names_cells_and_minutes_and_runs_nothing(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claims.show(session(root), "batch-trend,skylake-1-5,tflite-fastest-pi")
    told = capsys.readouterr().out
    assert "batch-trend" in told
    assert "above 79" in told
    assert "not testable here: tflite-fastest-pi" in told
    assert "26 cells are" in told
    assert not (root / "out").exists()


def test_unknown_claims_and_sweeps_are_refused(root: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown claim 'batch'.*Known: batch-32-best"):
        claims.show(session(root), "batch")
    with pytest.raises(UsageError, match="choose their sweeps themselves"):
        docket.find(session(root, sweep="isa"))


# ----------------------------------------------------------------------------- what is run


@pytest.fixture
def asked(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[Session]:
    """The sessions that a run was asked for; each is measured as planted."""
    sessions: list[Session] = []

    def run(given: Session, *, fresh: bool, no_limit: bool) -> None:
        assert not fresh
        sessions.append(given)
        plant(given.run_dir, given.plan.cells, factor(1.0, INT8_OM=2.0, INT8_SQ=2.0))

    monkeypatch.setattr(claims, "measure", run)
    return sessions


def test_only_missing_cells_are_measured_one_run_a_sweep(root: Path, asked: list[Session]) -> None:
    wanted = "ort-static-gains-offline,batch-openvino-2-5"
    claims.judge(session(root), wanted, measure=True, no_limit=False)
    assert [one.run_name for one in asked] == ["host-quick", "host-quick-batch"]
    assert [set(one.plan.cells) for one in asked] == [set(cells_of(name)) for name in wanted.split(",")]
    results.path_of(asked[0].run_dir, cells_of("ort-static-gains-offline")[0].id).unlink()
    claims.judge(session(root), wanted, measure=True, no_limit=False)
    assert [cell for one in asked[2:] for cell in one.plan.cells] == [cells_of("ort-static-gains-offline")[0]]


def test_filters_keep_cells_from_being_measured(root: Path, asked: list[Session]) -> None:
    claims.judge(session(root, framework=["openvino"]), "openvino-fastest", measure=True, no_limit=False)
    assert {cell.framework for cell in asked[0].plan.cells} == {"openvino"}


def test_failed_cells_do_not_keep_the_others_from_being_judged(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(given: Session, **_: Any) -> None:
        plant(given.run_dir, given.plan.cells, factor(1.0, INT8_OM=2.0))
        raise FailedCellsError("1 cells failed")

    monkeypatch.setattr(claims, "measure", run)
    with pytest.raises(FailedCellsError):
        claims.judge(session(root), "openvino-om-faster", measure=True, no_limit=False)
    assert (root / "out" / "host-quick" / "claims.json").exists()


# ------------------------------------------------------------------------------ how it ends


def test_it_ends_by_the_verdicts_of_the_chosen_claims(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs(root, "openvino-om-faster", "pytorch-static-faster-x86", "batch-trend", INT8_OM=2.0, INT8_SQ=0.5)
    claims.judge(session(root), "openvino-om-faster", measure=False, no_limit=False)
    assert "1 reproduced, 0 not reproduced" in capsys.readouterr().out
    with pytest.raises(NotReproducedError, match="pytorch-static-faster-x86") as caught:
        claims.judge(session(root), "", measure=False, no_limit=False)
    assert caught.value.exit_code == 13
    document = json.loads((root / "out" / "host-quick" / "claims.json").read_text())
    assert len(document["claims"]) == len(FILE.claims)
    assert sum(document["counts"].values()) == len(FILE.claims)
    assert set(document["runs"]) == {"host-quick", "host-quick-batch"}
    by_id = {row["id"]: row for row in document["claims"]}
    assert by_id["batch-trend"]["verdict"] == "not reproduced"
    assert by_id["openvino-om-faster"]["measured"]["value"] == pytest.approx(2.0)


def test_what_lacked_time_names_the_longer_profile_that_decides_it(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = "pytorch-static-faster-x86"
    runs(root, "openvino-om-faster", short, INT8_OM=2.0, INT8_SQ=2.0)
    folder = root / "out" / "host-quick"
    of = next(cell for cell in cells_of(short) if cell.scenario == "MultiStream")
    rounds = results.load(results.path_of(folder, of.id))["rounds"]
    fixtures.change(folder, of, rounds=[{**one, "result": "INVALID"} for one in rounds])
    claims.judge(session(root), f"openvino-om-faster,{short}", measure=False, no_limit=False)
    told = capsys.readouterr().out
    assert "1 undecided" in told
    assert f"./invoke claims --profile thorough --only {short}\n" in told
    fixtures.change(folder, of, rounds=rounds)
    claims.judge(session(root), f"openvino-om-faster,{short}", measure=False, no_limit=False)
    assert "--profile thorough" not in capsys.readouterr().out


def test_the_longer_profile_is_the_next_with_more_time_for_every_scenario() -> None:
    matrix = fixtures.matrix()
    found = {name: docket.longer(matrix, name) for name in ("smoke", "quick", "thorough", "paper-table1")}
    assert found == {
        "smoke": "thorough", "quick": "thorough", "thorough": "paper-table1", "paper-table1": "",
    }  # fmt: skip


def test_runs_of_another_cpu_are_not_used_and_said_so(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs(root, "openvino-om-faster", INT8_OM=2.0)
    host = {"cpu_model": "Another CPU", "machine": "x86_64", "flags": list(fixtures.FLAGS)}
    plant(
        root / "out" / "foreign", cells_of("pytorch-static-faster-x86"), factor(1.0, INT8_SQ=0.5), host=host
    )
    claims.judge(session(root), "pytorch-static-faster-x86", measure=False, no_limit=False)
    told = capsys.readouterr().out
    assert "foreign: measured on another CPU, Another CPU" in told
    assert "1 not testable here" in told


def test_without_any_run_it_says_what_to_do(root: Path) -> None:
    with pytest.raises(UsageError, match="leave out --no-run"):
        claims.judge(session(root), "", measure=False, no_limit=False)


# ------------------------------------------------------------------------------- the report


def page(folder: Path) -> str:
    return render(folder, MATRIX).read_text(encoding="utf-8")


def test_a_report_without_verdicts_says_which_command_makes_them(root: Path) -> None:
    runs(root, "openvino-om-faster", INT8_OM=2.0)
    text = Page(page(root / "out" / "host-quick")).text
    assert "Not judged yet." in text
    assert "./invoke claims --platform host --profile quick --engine docker" in text
    for one in FILE.inconsistency:
        assert one.title in text


def test_the_report_tells_verdicts_in_words_with_the_papers(root: Path) -> None:
    runs(root, "openvino-om-faster", "pytorch-static-faster-x86", INT8_OM=2.0, INT8_SQ=0.5)
    with pytest.raises(NotReproducedError):
        claims.judge(session(root), "", measure=False, no_limit=False)
    source = page(root / "out" / "host-quick")
    found = Page(source)
    ids = [a["id"] for _, a in found.tags if "id" in a]
    assert len(ids) == len(set(ids))
    claim = FILE.claims["openvino-om-faster"]
    assert claim.quote in found.text
    assert "reproduced on this device" in found.text
    assert "not reproduced on this device" in found.text
    assert "2.00\N{MULTIPLICATION SIGN} [2.00, 2.00]" in found.text
    assert "which is not the paper's device" in found.text
    assert "on the paper's device" not in found.text
    assert "Judged before" not in found.text


def test_verdicts_older_than_the_measurements_say_so(root: Path) -> None:
    runs(root, "openvino-om-faster", INT8_OM=2.0)
    claims.judge(session(root), "openvino-om-faster", measure=False, no_limit=False)
    folder = root / "out" / "host-quick"
    of: Cell = cells_of("openvino-om-faster")[0]
    rounds = results.load(results.path_of(folder, of.id))["rounds"]
    fixtures.change(folder, of, rounds=[{**one, "others": 0.2} for one in rounds])  # no verdict reads it
    assert "Judged before the newest measurements" not in Page(page(folder)).text
    fixtures.change(folder, of, rounds=[fixtures.round_of(of, 1)])
    assert "Judged before the newest measurements" in Page(page(folder)).text


@pytest.mark.parametrize("damage", ["{", '{"schema": 9}', "[]"])
def test_verdicts_that_cannot_be_read_are_none(root: Path, damage: str) -> None:
    runs(root, "openvino-om-faster", INT8_OM=2.0)
    folder = root / "out" / "host-quick"
    (folder / "claims.json").write_text(damage, encoding="utf-8")
    assert "Not judged yet." in Page(page(folder)).text


def test_what_a_verdict_says_is_escaped(root: Path) -> None:
    runs(root, "openvino-om-faster", INT8_OM=2.0)
    claims.judge(session(root), "openvino-om-faster", measure=False, no_limit=False)
    path = root / "out" / "host-quick" / "claims.json"
    path.write_text(path.read_text().replace("Invented CPU", "<script>CPU"), encoding="utf-8")
    assert "<script" not in page(path.parent)
