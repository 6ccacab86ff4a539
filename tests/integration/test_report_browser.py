"""The report in a real browser: no overflow, no complaint, no request, light, dark and print.

Chromium is driven by its command line alone. The report runs no script and its policy allows none,
so a page of ours holds it in frames of the wanted width and measures it from outside.
"""

from __future__ import annotations

import html
import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cell import Filters
from bench.matrix import load as load_matrix
from reports.compare_view import html as html_of
from reports.render import render

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


def rendered(folder: Path, filters: Filters | None = None) -> Path:
    """The report of a synthetic run."""
    sys.path.append(str(Path(__file__).parents[1] / "unit"))
    fixtures = importlib.import_module("fixtures_results")
    return render(fixtures.write_run(folder, filters=filters), fixtures.matrix())


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the usual run."""
    return rendered(tmp_path_factory.mktemp("run"))


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
        assert len(frame["charts"]) == 4  # type: ignore[arg-type]


@pytest.mark.parametrize(("filters", "charts"), [(Filters(sweep="batch"), 4), (Filters(sweep="isa"), 7)])
def test_sweeps_do_not_overflow(tmp_path: Path, filters: Filters, charts: int) -> None:
    for frame in measure(rendered(tmp_path, filters), 1):
        assert frame["needs"] == frame["width"], frame
        assert frame["outside"] == []
        assert len(frame["charts"]) == charts  # type: ignore[arg-type]


def test_light_and_dark_follow_the_reader(report: Path) -> None:
    light, dark = measure(report, 1)[0], measure(report, 0)[0]
    assert light["paper"] != dark["paper"]
    assert light["ink"] != dark["ink"]


def test_the_console_stays_silent(report: Path) -> None:
    done = browse(report.with_name("profile-console"), "--dump-dom", report.as_uri())
    assert "edgequant" in done.stdout
    assert "CONSOLE" not in done.stderr


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
