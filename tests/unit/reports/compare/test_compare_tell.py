"""A comparison as a page, as Markdown and as JSON, and the command that writes them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import fixtures_results as fixtures
import pytest
from fixtures_compare import ONE_FRAMEWORK, alter, compared, runs, slow_down
from fixtures_report import MATRIX, Page

from bench.common.errors import RegressionError, UsageError
from bench.plan.cells import Cell, Filters
from reports.compare import tell
from reports.compare.task import compare_runs
from reports.drawing import interval
from reports.run.wording import TIMES

HOSTILE = "<script>alert(1)</script> | `x` *y* _z_"


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Runs "a" and "b" of a whole out/, with INT8-OM half as fast in B, and no Offline cell of it."""
    a, b = runs(tmp_path / "out")
    alter(b, slow_down(2, 2.02, 1.98), lambda cell: cell.method == "INT8-OM")
    next((b / "cells").glob("*INT8-OM.Offline*")).unlink()
    (tmp_path / "matrix.toml").write_bytes(fixtures.MATRIX.read_bytes())
    return a, b


def told(a: Path, b: Path) -> Page:
    return Page(tell.html(compared(a, b), MATRIX))


# ------------------------------------------------------------------------------------ the page


def test_page_is_self_contained_and_accessible(two: tuple[Path, Path]) -> None:
    page = told(*two)
    names, ids = [tag for tag, _ in page.tags], [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert not {"script", "link", "img", "iframe", "object"} & set(names)
    assert names.count("h1") == names.count("main") == 1
    assert names.count("table") == names.count("caption")
    assert all("scope" in a for tag, a in page.tags if tag == "th")
    assert all(a.get("aria-hidden") == "true" for tag, a in page.tags if tag == "svg")
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
        if "href" in attributes:
            assert attributes["href"].lstrip("#") in ids


def test_every_row_of_a_table_is_as_wide_as_its_head(two: tuple[Path, Path]) -> None:
    alter(two[1], lambda document: document["environment"].update(emulated=True), lambda c: c.batch == 1)
    source = tell.html(compared(*two), MATRIX)
    tables = re.findall(r"<table.*?</table>", source, re.DOTALL)
    assert len(tables) == 5
    for table in tables:
        head, _, body = table.partition("<tbody")
        rows = [head.partition("</tr>")[0].partition("<thead>")[2], *body.split("</tr>")[:-1]]
        assert len({_columns(row) for row in rows}) == 1, table


def _columns(row: str) -> int:
    return sum(int(span or 1) for span in re.findall(r"<t[hd]\b(?:[^>]*colspan=\"(\d+)\")?", row))


def test_page_says_who_is_faster_in_words(two: tuple[Path, Path]) -> None:
    text = told(*two).text
    assert "2 regressions 5 cells measured by both: B is slower in 2 and the same in 3." in text
    assert "Accuracy was compared in 1: no change shown." in text
    assert "1 cell in one run only" in text
    assert "B over A in speed : above 1, B is faster" in text
    assert "slower rounds lie clearly apart; too few of them for p < 0.05 over 5 cells" in text
    assert f"0.50{TIMES} [0.4" in text
    assert "Nothing that they record: the same machine, software and settings." in text
    assert "Only in A; in the other: not reached: the run has not come to this cell" in text.replace(
        " ;", ";"
    )
    assert "MLPerf result" not in text


def test_page_of_a_run_with_itself_has_no_regression(two: tuple[Path, Path]) -> None:
    text = told(two[0], two[0]).text
    compared = "6 cells measured by both: B is the same in 6. Accuracy was compared in 2"
    assert f"no regression found {compared}" in text
    assert "None: both runs measured the same kinds of cells." in text


def test_another_machine_is_told_before_any_ratio(two: tuple[Path, Path]) -> None:
    alter(two[1], lambda document: document["environment"].update(cpu_model="Slow CPU 1"))
    text = told(*two).text
    assert text.index("Another machine. The machines differ (CPU)") < text.index("Invented CPU 9000")
    assert "not judged: another machine" in text
    assert "no regression found" not in text


def test_a_page_without_a_verdict_is_not_praised(two: tuple[Path, Path]) -> None:
    alter(two[1], lambda document: document.update(rounds=document["rounds"][:1]))
    text = told(*two).text
    assert "no speed decided 5 cells measured by both: B is not decided in 5." in text
    assert "no regression found 5 cells" not in text


def test_nothing_in_common_is_told(two: tuple[Path, Path], tmp_path: Path) -> None:
    other = fixtures.write_run(
        tmp_path / "c", filters=Filters(frameworks=("tflite",), models=("mobilenet_v2",))
    )
    found = compared(two[0], other)
    assert "nothing to compare No cell was measured by both runs." in Page(tell.html(found, MATRIX)).text
    assert "No cell was measured by both runs." in tell.markdown(found, MATRIX)


def test_smoke_runs_show_no_figure(tmp_path: Path) -> None:
    a, b = (fixtures.write_run(tmp_path / name, "smoke", ONE_FRAMEWORK) for name in "ab")
    found = compared(a, b)
    for text in (Page(tell.html(found, MATRIX)).text, tell.markdown(found, MATRIX)):
        assert "measured no performance (profile smoke)" in text
        assert not re.search(r"\d (ms|samples/s)|\d" + TIMES + r" \[", text)
    assert '"ratio": null' in json.dumps(tell.document(found))


def test_what_a_run_says_cannot_become_markup(two: tuple[Path, Path]) -> None:
    alter(two[1], lambda document: document["environment"].update(cpu_model=HOSTILE))
    alter(two[1], lambda document: document["evidence"].update(summary=HOSTILE))
    found = compared(*two)
    assert "<script" not in tell.html(found, MATRIX)
    line = next(line for line in tell.markdown(found, MATRIX).splitlines() if "alert" in line)
    assert "&lt;script>alert(1)&lt;/script> \\| \\`x\\` \\*y\\* \\_z\\_" in line
    assert len(re.findall(r"(?<!\\)\|", line)) == 5


def test_markdown_tables_have_as_many_cells_in_every_row(two: tuple[Path, Path]) -> None:
    widths: list[set[int]] = [set()]
    for line in tell.markdown(compared(*two), MATRIX).splitlines():
        if line.startswith("|"):
            widths[-1].add(len(re.findall(r"(?<!\\)\|", line)))
        elif widths[-1]:
            widths.append(set())
    assert [len(one) for one in widths if one] == [1, 1]


def test_document_can_be_computed_again(two: tuple[Path, Path]) -> None:
    found = json.loads(json.dumps(tell.document(compared(*two))))
    cell = next(one for one in found["cells"] if one["regressed"])
    assert set(cell["cell"]) == {"framework", "model", "weights", "method", "scenario", "batch", "isa"}
    a, b = sorted(cell["speed"]["a"]), sorted(cell["speed"]["b"])
    assert cell["speed"]["unit"] == "ms"
    assert cell["speed"]["ratio"] == pytest.approx(a[1] / b[1])
    assert len(found["failures"]) == 2
    assert [one["run"] for one in found["only"]] == ["A"]


def test_drawing_stays_on_its_axis() -> None:
    axis = interval.log_axis([0.01, 1.0, 2.0], 0.05)
    for ratio in (1e-6, 0.1, 1.0, 3.0, 1e6):
        assert interval.EDGE - 1e-9 <= axis.x(ratio) <= interval.WIDTH - interval.EDGE + 1e-9
    assert axis.x(1.0) == interval.WIDTH / 2
    assert axis.x(0.5) + axis.x(2.0) == pytest.approx(interval.WIDTH)
    assert interval.log_axis([], 0.05).end == pytest.approx(1.05**2)


# --------------------------------------------------------------------------------- the command


def run(two: tuple[Path, Path], a: str, b: str, *chosen: str, strict: bool = False) -> None:
    compare_runs(two[0].parents[1], (a, b), 5.0, chosen, strict)


def test_a_regression_is_written_and_then_raised(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RegressionError, match="2 cells slower or less accurate in B") as raised:
        run(two, "a", "b")
    assert raised.value.exit_code == 10
    assert "OpenVINO INT8-OM, MultiStream (batch 8): 0.50 times A's speed, slower" in str(raised.value)
    out = two[0].parent
    assert sorted(path.name for path in out.glob("compare-*")) == ["compare-a-b.html", "compare-a-b.json"]
    shown = capsys.readouterr().out
    assert f"0.50{TIMES} slower" in shown
    assert "1 cell in one run only" in shown
    run(two, "b", "a")


def test_strict_fails_on_what_is_not_shown(two: tuple[Path, Path]) -> None:
    with pytest.raises(RegressionError, match="1 cell not shown to hold up in B") as raised:
        run(two, "b", "a", strict=True)
    assert "only in B (not reached" in str(raised.value)


def test_only_what_was_chosen_is_written(two: tuple[Path, Path]) -> None:
    run(two, str(two[1]), str(two[0]), "md")
    (target,) = two[0].parent.glob("compare-*")
    assert target.name == "compare-b-a.md"
    assert target.read_text().startswith("## a against b\n\n5 cells measured by both")


def test_published_sets_are_found_by_name(two: tuple[Path, Path]) -> None:
    root = two[0].parents[1]
    (root / "reports").mkdir()
    (root / "reports" / "published").mkdir()
    two[0].rename(root / "reports" / "published" / "zen4")
    run(two, "b", "zen4")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("aa", "b"), "unknown run 'aa'. Did you mean 'a'? Known: a, b"),
        (("a", "matrix.toml"), "unknown run 'matrix.toml'"),
        (("a", "./a"), "A and B are the same folder, a"),
    ],
)
def test_a_wrong_name_is_one_clear_error(
    two: tuple[Path, Path], names: tuple[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        run(two, *names)


def test_nothing_in_common_is_an_error_after_the_page(two: tuple[Path, Path]) -> None:
    fixtures.write_run(two[0].parent / "c", filters=Filters(frameworks=("tflite",), models=("mobilenet_v2",)))
    with pytest.raises(UsageError, match="no kind of cell was measured by both runs"):
        run(two, "a", "c")
    assert (two[0].parent / "compare-a-c.html").exists()


@pytest.mark.parametrize("threshold", [-1.0, 100.0, float("nan")])
def test_a_threshold_is_a_change_in_per_cent(two: tuple[Path, Path], threshold: float) -> None:
    with pytest.raises(UsageError, match="--threshold"):
        compare_runs(two[0].parents[1], ("a", "b"), threshold, [], False)


def test_a_lower_accuracy_is_shown_and_fails(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = [index < 150 for index in range(256)]
    alter(
        two[0],
        lambda document: document.update(accuracy=fixtures.accuracy_of(Cell(**document["cell"]), wrong)),
        lambda cell: cell.scenario == "Offline" and cell.method == "FP32",
    )
    with pytest.raises(RegressionError, match="OpenVINO FP32, Offline"):
        run(two, "b", "a")
    assert "top-1" in capsys.readouterr().out
