"""reports/drawing/charts.py: what a chart must say, and what it must never contain."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.drawing import axes, charts, patterns
from reports.drawing.charts import Bar, Chart, Marker


def bar(value: float | None, label: str = "FP32", group: str = "PyTorch", slot: int = 0, **more: Any) -> Bar:
    told = "none" if value is None else f"{value:g}"
    return Bar(group, label, slot, value, told, f"{group} {label} {told}", **more)


def drawn(*bars: Bar, **more: Any) -> ElementTree.Element:
    chart = Chart("c", "Title", "Description", "ms", bars, **more)
    return ElementTree.fromstring(str(charts.draw(chart)))


def texts(svg: ElementTree.Element) -> list[str]:
    return ["".join(node.itertext()) for node in svg.iter("text")]


def test_a_chart_names_itself_and_every_bar() -> None:
    svg = drawn(bar(8, "FP32"), bar(3.5, "INT8-SQ"), bar(2, "FP32", "OpenVINO"))
    assert svg.get("role") == "img"
    assert svg.get("aria-labelledby") == "c-t c-d"
    assert [node.text for node in svg][:2] == ["Title", "Description"]
    told = texts(svg)
    for word in ("FP32", "INT8-SQ", "PyTorch", "OpenVINO", "8", "3.5"):
        assert word in told


def test_bars_start_at_zero_and_are_proportional() -> None:
    svg = drawn(bar(8), bar(2, "INT8-SQ"))
    heights = [float(node.get("height", "0")) for node in svg.iter("rect")]
    assert heights[0] == pytest.approx(4 * heights[1], rel=0.01)


def test_not_measured_is_said_and_has_no_bar() -> None:
    svg = drawn(bar(8), bar(None, "INT8-SQ"))
    assert "notmeasured" in texts(svg)
    assert len(list(svg.iter("rect"))) == 1


def test_a_far_bar_is_cut_with_a_mark_only_when_asked() -> None:
    bars = [bar(value, str(value)) for value in (2, 3, 4, 5, 218)]
    cut, whole = drawn(*bars, clip=True), drawn(*bars)
    assert sum(node.get("class") == "cut" for node in cut.iter("path")) == 1
    assert not any(node.get("class") == "cut" for node in whole.iter("path"))
    assert "218" in texts(cut)


def test_markers_use_a_second_axis_in_per_cent() -> None:
    svg = drawn(
        bar(14, marker=Marker(0.88, 0.84, 0.92)),
        bar(3.7, "INT8-SQ", marker=Marker(0.7, 0.64, 0.76)),
        marker_label="top-1",
    )
    assert "top-1" in texts(svg)
    assert any(text.endswith(" %") for text in texts(svg))
    assert sum(node.get("class") == "mark" for node in svg.iter("path")) == 2
    tops = [float(node.get("y", "0")) for node in svg.iter("rect")]
    line = next(svg.iter("polyline")).get("points", "")
    assert all(float(point.split(",")[1]) < min(tops) for point in line.split())


def test_speedups_have_an_axis_in_times_with_a_line_at_one_and_a_line_by_method() -> None:
    svg = drawn(
        bar(5, "FP32", "batch 1"),
        bar(6, "INT8-SQ", "batch 1", marker=Marker(1.2, 1.1, 1.3)),
        bar(5, "FP32", "batch 2"),
        bar(9, "INT8-SQ", "batch 2", marker=Marker(1.8, None, None)),
        marker_label="speedup",
        marker_unit=charts.TIMES,
        reference=1.0,
        linked=charts.BY_LABEL,
    )
    assert {f"1{charts.TIMES}", f"2{charts.TIMES}"} <= set(texts(svg))
    assert sum(node.get("class") == "reference" for node in svg.iter("line")) == 1
    (line,) = svg.iter("polyline")
    assert len(line.get("points", "").split()) == 2
    assert sum(node.get("class") == "whisker" for node in svg.iter("path")) == 1
    assert not list(drawn(bar(5, marker=Marker(1, 1, 1)), linked="").iter("polyline"))


def test_a_long_group_name_takes_two_lines_and_room_for_them() -> None:
    long, short = drawn(bar(1, group="AVX-512 without VNNI")), drawn(bar(1, group="AVX2"))
    group = next(node for node in long.iter("text") if node.get("class") == "group")
    assert [node.text for node in group] == ["AVX-512", "without", "VNNI"]
    assert int(long.get("height", "0")) > int(short.get("height", "0"))


def test_names_are_escaped_and_nothing_is_styled_or_scripted() -> None:
    chart = Chart("c", "<b>", '"&', "ms", [bar(1, "<script>x</script>", "<i>")])
    page = str(charts.draw(chart)) + str(patterns.defs())
    assert "<script" not in page
    assert "<b>" not in page
    assert "style=" not in page
    assert "&lt;script&gt;" in page


def test_every_slot_has_a_pattern() -> None:
    found = ElementTree.fromstring(str(patterns.defs()))
    assert [node.get("id") for node in found.iter("pattern")] == [f"p{i}" for i in range(patterns.SLOTS)]
    assert "url(#p1)" in str(charts.draw(Chart("c", "", "", "", [bar(1, slot=patterns.SLOTS + 1)])))


def test_all_zero_and_nothing_measured_still_draw() -> None:
    assert len(list(drawn(bar(0.0)).iter("rect"))) == 1
    assert not list(drawn(bar(None)).iter("rect"))


@given(st.floats(0, 1e6), st.floats(1e-3, 1e6))
def test_ticks_hold_the_range(low: float, span: float) -> None:
    ticks = axes.nice_ticks(low, low + span)
    assert ticks[0] <= low + 1e-6 * span + 1e-9
    assert ticks[-1] >= (low + span) * (1 - 1e-9) - 1e-6
    assert ticks == sorted(ticks)
    assert 2 <= len(ticks) <= 8
