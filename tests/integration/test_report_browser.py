"""The report in a real browser: no overflow, no complaint, no request, light, dark and print.

The report runs no script and its policy allows none, so a page of ours holds it in frames of the wanted
width and measures it from outside; what a reader does is done through the browser's own protocol.
"""

from __future__ import annotations

import html
import importlib
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from devtools import tab

from bench.plan.cells import Filters
from bench.plan.reading import load as load_matrix
from reports.compare.tell import html as html_of
from reports.report.assemble import render

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium here (apt-get install chromium)")

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
    "--enable-logging=stderr",
]
WIDTHS = (360, 768, 1440)

PROBE = """<!doctype html><meta charset="utf-8"><body>FRAMES<pre id="out"></pre><script>
addEventListener("load", () => {
  const found = [...document.querySelectorAll("iframe")].map(frame => {
    const page = frame.contentDocument, root = page.documentElement, view = frame.contentWindow;
    return {
      width: frame.clientWidth, needs: root.scrollWidth,
      font: view.getComputedStyle(page.querySelector("table")).fontVariantNumeric,
      ink: view.getComputedStyle(root).color, paper: view.getComputedStyle(root).backgroundColor,
      requests: view.performance.getEntriesByType("resource").length,
      charts: [...page.querySelectorAll("svg.chart")].map(chart => chart.getBoundingClientRect().width),
      outside: [...page.querySelectorAll("svg.chart text")].filter(text => {
        const box = text.getBoundingClientRect(), all = text.closest("svg").getBoundingClientRect();
        return box.left < all.left - 1 || box.right > all.right + 1 || box.top < all.top - 1
          || box.bottom > all.bottom + 1;
      }).map(text => text.textContent),
    };
  });
  document.getElementById("out").textContent = JSON.stringify(found);
});
</script>"""


def rendered(folder: Path, filters: Filters | None = None, name: str = "host-quick") -> Path:
    """The report of a synthetic run, whose machine was slowed during every other cell."""
    sys.path.append(str(Path(__file__).parents[1] / "unit"))
    fixtures = importlib.import_module("fixtures_results")
    run = fixtures.write_run(folder, filters=filters, run=name)
    for path in sorted((run / "cells").glob("*.json"))[::2]:
        document = json.loads(path.read_text(encoding="utf-8"))
        slowed = {**document, "rounds": [fixtures.capped(one) for one in document["rounds"]]}
        path.write_text(json.dumps(slowed), encoding="utf-8")
    return render(run, fixtures.matrix())


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the usual run."""
    return rendered(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of three models, with both sweeps beside it."""
    out = tmp_path_factory.mktemp("out")
    for sweep in ("batch", "isa"):
        rendered(out / f"host-quick-{sweep}", Filters(sweep=sweep), f"host-quick-{sweep}")
    return rendered(out / "host-quick", Filters(models=("mobilenet_v2", "vgg19", "densenet121")))


def browse(profile: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run chromium once, with a profile of its own."""
    assert BROWSER
    command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def measure(report: Path, scheme: int) -> list[dict[str, object]]:
    """Return what the page measures at each width; `scheme` is 0 for dark and 1 for light."""
    source = html.escape(report.read_text(encoding="utf-8"), quote=True)
    frames = "".join(
        f'<iframe srcdoc="{source}" width="{w}" height="900" frameborder="0"></iframe>' for w in WIDTHS
    )
    probe = report.with_name("probe.html")
    probe.write_text(PROBE.replace("FRAMES", frames), encoding="utf-8")
    done = browse(
        report.with_name(f"profile-{scheme}"),
        f"--blink-settings=preferredColorScheme={scheme}",
        "--window-size=1500,1000",
        "--dump-dom",
        probe.as_uri(),
    )
    out = re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.DOTALL)
    assert out, done.stderr
    found: list[dict[str, object]] = json.loads(html.unescape(out[1]))
    return found


def test_no_horizontal_overflow_and_style_is_admitted(report: Path) -> None:
    for frame in measure(report, 1):
        assert frame["needs"] == frame["width"], frame
        assert "tabular-nums" in str(frame["font"])
        assert frame["requests"] == 0
        assert frame["outside"] == []
        assert len(frame["charts"]) == 6  # type: ignore[arg-type]


@pytest.mark.parametrize(("filters", "charts"), [(Filters(sweep="batch"), 5), (Filters(sweep="isa"), 9)])
def test_sweeps_do_not_overflow(tmp_path: Path, filters: Filters, charts: int) -> None:
    for frame in measure(rendered(tmp_path, filters), 1):
        assert frame["needs"] == frame["width"], frame
        assert frame["outside"] == []
        assert len(frame["charts"]) == charts  # type: ignore[arg-type]


def with_verdicts(folder: Path) -> Path:
    """A report with verdicts on the paper's claims."""
    folder = rendered(folder).parent
    planted, judging, verdicts = (
        importlib.import_module(name)
        for name in ("fixtures_claims", "reports.claims.judge", "reports.claims.record")
    )
    runs = [planted.read(folder)]
    weights = dict.fromkeys(planted.MATRIX.models, "probe")
    found = planted.Results(runs, planted.MATRIX, "host", weights, "fashion-mnist")
    judged = judging.judge_all(planted.FILE, found, planted.device(), "quick")
    verdicts.write(folder, verdicts.document(judged, planted.device(), runs, "quick", "fashion-mnist"))
    return render(folder, planted.MATRIX)


def test_verdicts_do_not_overflow(tmp_path: Path) -> None:
    for frame in measure(with_verdicts(tmp_path), 1):
        assert frame["needs"] == frame["width"], frame


def test_paper_shows_what_is_folded_but_no_lists_within_tables(tmp_path: Path) -> None:
    assert BROWSER
    report = with_verdicts(tmp_path)
    folded = "[...document.querySelectorAll('details > :not(summary)')]"
    shown = f"{folded}.map(one => [!!one.closest('table'), one.checkVisibility()])"
    with tab(BROWSER, FLAGS, tmp_path / "profile-paper") as page:
        page.open(report, 1000)
        assert [True, False] in page.value(shown)
        page.call("Emulation.setEmulatedMedia", media="print")
        found = page.value(shown)
    assert [True, True] not in found, "a row with all its comparisons takes a page"
    assert [False, False] not in found


def test_light_and_dark_follow_the_reader(report: Path) -> None:
    light, dark = measure(report, 1)[0], measure(report, 0)[0]
    assert light["paper"] != dark["paper"]
    assert light["ink"] != dark["ink"]


def test_the_console_stays_silent_and_nothing_is_requested(whole: Path) -> None:
    assert BROWSER
    with tab(BROWSER, FLAGS, whole.with_name("profile-console")) as page:
        for width in (360, 1440):
            page.open(whole, width)
            needs = page.value("[document.documentElement.scrollWidth, innerWidth]")
            assert needs == [width, width]
        urls = {e["request"]["url"] for name, e in page.events if name == "Network.requestWillBeSent"}
        said = [e for name, e in page.events if name in ("Log.entryAdded", "Runtime.consoleAPICalled")]
    assert urls == {whole.as_uri()}
    assert said == []


def test_figures_are_taken_away_with_a_click(whole: Path, tmp_path: Path) -> None:
    assert BROWSER
    wanted = [
        f"host-quick-{name}" for name in ("figure-2.csv", "figure-2.svg", "figure-7.svg", "table-iv.csv")
    ]
    with tab(BROWSER, FLAGS, whole.with_name("profile-download")) as page:
        page.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        page.open(whole, 1440)
        for name in wanted:
            page.value(f"document.querySelector('a[download=\"{name}\"]').click()")
            while not (tmp_path / name).exists():
                page.wait("Page.downloadProgress", len(page.events))
    assert (tmp_path / wanted[0]).read_text().startswith("panel,run,platform,")
    assert (tmp_path / wanted[3]).read_text().startswith("Specification,Raspberry Pi 4B,Frontera,RI2,")
    # the SVG file draws by itself: as a picture, where a page's style does not reach it
    with tab(BROWSER, FLAGS, whole.with_name("profile-picture")) as page:
        page.open(tmp_path / "host-quick-figure-2.svg", 1440)
        assert page.value("getComputedStyle(document.querySelector('.value')).fontWeight") == "600"
        assert page.value("document.querySelectorAll('.bar').length") == 36


def test_the_keyboard_reaches_tables_and_scrolls_them(whole: Path) -> None:
    assert BROWSER
    with tab(BROWSER, FLAGS, whole.with_name("profile-keys")) as page:
        page.open(whole, 360)
        seen = []
        for _ in range(40):
            page.press("Tab")
            seen.append(page.value("document.activeElement.ariaLabel || document.activeElement.textContent"))
        assert seen[0] == "Skip to the answers"
        assert "Answers: best at equal accuracy" in seen
        table = "document.querySelector('[aria-label=\"Data of Figure 1\"]')"
        page.value(f"{table}.focus()")
        assert page.value(f"document.activeElement === {table}")
        assert page.value(f"getComputedStyle({table}).outlineStyle") != "none"
        for _ in range(5):
            page.press("ArrowRight")
        deadline = time.monotonic() + 10
        while not page.value(f"{table}.scrollLeft") and time.monotonic() < deadline:
            time.sleep(0.1)
        assert page.value(f"{table}.scrollLeft") > 0


def test_it_prints(report: Path) -> None:
    target = report.with_name("report.pdf")
    browse(report.with_name("profile-print"), f"--print-to-pdf={target}", report.as_uri())
    assert target.read_bytes().startswith(b"%PDF")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that compares two runs, one of them slower in part and on a machine with a long name."""
    sys.path.append(str(Path(__file__).parents[1] / "unit"))
    fixtures = importlib.import_module("fixtures_compare")
    folder = tmp_path_factory.mktemp("compare")
    a, b = fixtures.runs(folder, Filters())
    fixtures.alter(b, fixtures.slow_down(2.0, 2.1, 1.9), lambda cell: cell.framework == "tflite")
    fixtures.alter(b, lambda document: document["environment"].update(cpu_model="W" * 90))
    page = folder / "compare.html"
    page.write_text(
        html_of(fixtures.compared(a, b), load_matrix(Path(__file__).parents[2] / "matrix.toml")),
        encoding="utf-8",
    )
    return page


def test_a_comparison_does_not_overflow_and_asks_for_nothing(comparison: Path) -> None:
    for frame in [*measure(comparison, 1), *measure(comparison, 0)]:
        assert frame["needs"] == frame["width"], frame
        assert frame["requests"] == 0
    done = browse(comparison.with_name("profile-console"), "--dump-dom", comparison.as_uri())
    assert "edgequant comparison" in done.stdout
    assert "CONSOLE" not in done.stderr
