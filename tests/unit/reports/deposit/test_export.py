"""The tidy table: every cell and round, nothing that is not performance, and what each column is."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path

import fixtures_deposit as deposit
import fixtures_results as fixtures

from bench.store import results
from reports.deposit import parquet, tabular
from reports.run.reading import read

MATRIX = fixtures.matrix()
TIMED = ("samples_per_second", "early_stopping", "peak_memory", "valid", "queries", "calls", "load_seconds",
         "first_inference", "memory_loaded", "memory_ran")  # fmt: skip


def table(folder: Path) -> list[dict[str, str]]:
    text = tabular.files(read(folder), MATRIX)[tabular.CSV].decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_every_cell_has_a_row_a_round(tmp_path: Path) -> None:
    rows = table(deposit.write_run(tmp_path))
    assert len(rows) == 2 * 3 * 3  # methods, scenarios, rounds
    assert len({(row["cell"], row["round"]) for row in rows}) == len(rows)
    assert {row["state"] for row in rows} == {"measured"}


def test_a_figure_is_the_one_of_the_result_file(tmp_path: Path) -> None:
    deposit.write_run(tmp_path)
    for row in table(tmp_path):
        result = results.load(results.path_of(tmp_path, row["cell"]))
        [measured] = [one for one in result["rounds"] if one["round"] == int(row["round"])]
        assert float(row["samples_per_second"]) == measured["samples_per_second"]
        latency = measured["latency_ns"]
        assert row["latency_p99"] == (str(latency["p99"]) if latency else "")
        assert row["artifact_sha256"] == result["artifact"]["sha256"]
        assert row["slowed"] == ""
        assert float(row["load_seconds"]) == measured["load_seconds"]
        assert float(row["first_inference"]) == measured["first_inference_seconds"]
        memory = measured["memory"]
        assert int(row["memory_ran"]) == memory["ran_bytes"] - memory["baseline_bytes"] == 90_000_000
        assert int(row["calls"]) == measured["samples"] / result["cell"]["batch"]


def test_a_slowed_round_is_marked(tmp_path: Path) -> None:
    cell = fixtures.cells_of("quick", deposit.FILTERS)[0]
    deposit.write_run(tmp_path)
    rows = results.load(results.path_of(tmp_path, cell.id))["rounds"]
    rows[0]["after"]["throttled"] = True
    fixtures.change(tmp_path, cell, rounds=rows)
    marks = [row["slowed"] for row in table(tmp_path) if row["cell"] == cell.id]
    assert marks[0].startswith("throttled: ")
    assert marks[1:] == ["", ""]


def test_a_smoke_run_shows_no_timing_and_says_why(tmp_path: Path) -> None:
    rows = table(deposit.write_run(tmp_path, "smoke"))
    assert len(rows) == 2 * 3
    for row in rows:
        assert "correctness" in row["timing_reason"]
        assert not any(value for name, value in row.items() if name in TIMED or name.startswith("latency"))
        assert row["max_abs_diff"], "what is not timing is there"


def test_an_emulated_cell_shows_no_timing_and_says_why(tmp_path: Path) -> None:
    deposit.write_run(tmp_path)
    cell = fixtures.cells_of("quick", deposit.FILTERS)[0]
    result = results.load(results.path_of(tmp_path, cell.id))
    fixtures.change(tmp_path, cell, environment={**result["environment"], "emulated": True})
    rows = [row for row in table(tmp_path) if row["cell"] == cell.id]
    assert [row["round"] for row in rows] == [""]
    assert "emulated" in rows[0]["timing_reason"]
    assert not any(rows[0][name] for name in TIMED)


def test_what_was_not_measured_has_its_reason(tmp_path: Path) -> None:
    lost, left_out, *_ = cells = fixtures.cells_of("quick", deposit.FILTERS)
    failures = [{"id": lost.id, "round": 1, "reason": "out of memory"}]
    excluded = [{"id": left_out.id, "reason": "would take 9 h"}]
    deposit.write_run(tmp_path, failures=failures, excluded=excluded)
    for cell in (lost, left_out):
        results.path_of(tmp_path, cell.id).unlink()
    found = {row["cell"]: row for row in table(tmp_path) if row["state"] != "measured"}
    assert set(found) == {lost.id, left_out.id}
    assert (found[lost.id]["state"], found[lost.id]["reason"]) == ("failed", "out of memory")
    assert (found[left_out.id]["state"], found[left_out.id]["reason"]) == ("left out", "would take 9 h")
    assert found[lost.id]["framework"] == "openvino"
    assert len(table(tmp_path)) == 3 * (len(cells) - 2) + 2


def test_the_dictionary_describes_exactly_the_columns(tmp_path: Path) -> None:
    files = tabular.files(read(deposit.write_run(tmp_path)), MATRIX)
    header = files[tabular.CSV].decode().splitlines()[0].split(",")
    document = json.loads(files[tabular.DICTIONARY])
    described = document["tableSchema"]["columns"]
    assert [column["name"] for column in described] == header
    assert document["url"] == tabular.CSV
    for column in described:
        assert column["datatype"] in ("string", "integer", "number", "boolean")
        assert column["dc:description"]
        assert column["dc:source"]
    unit = {column["name"]: column.get("schema:unitText") for column in described}
    assert {unit[name] for name in header if name.startswith("latency")} == {"ns"}


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    first = tabular.files(read(deposit.write_run(tmp_path / "a")), MATRIX)
    assert tabular.files(read(deposit.write_run(tmp_path / "b")), MATRIX) == first


COLUMNS = {"yes": "boolean", "count": "integer", "ratio": "number", "name": "string"}
ROWS = [
    {"yes": n % 3 == 0, "count": (n - 20) << 40, "ratio": n / 7, "name": "é" * (n % 5)} if n % 4 else {}
    for n in range(40)
]


def test_parquet_is_what_pyarrow_and_duckdb_read() -> None:
    """Both (26.0.1, 2.0.0) read these bytes back right; let them read others before those stand here."""
    data = parquet.encode(COLUMNS, ROWS)
    assert (
        hashlib.sha256(data).hexdigest() == "e2ea7f762b87696969b76fe6f4247d00fec6ce8be952f97b3f7b1c4144ed553b"
    )
