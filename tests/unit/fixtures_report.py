"""Reading a report back, FOR TESTS ONLY: its tags, its text, and the rows behind it."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import fixtures_results as fixtures

from bench.plan.cells import Cell
from reports.chapter import timings
from reports.chapter.accuracy import Quality, quality
from reports.report.assemble import render
from reports.run.chapters import Chapter, chapters
from reports.run.reading import read

MATRIX = fixtures.matrix()
VOID = {"meta", "br", "link", "img", "hr"}


class Page(HTMLParser):
    """The page's tags, attributes and text; fails on tags that do not balance."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()
        assert not self.stack, f"not closed: {self.stack}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if not self.stack or self.stack[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def cell(framework: str, method: str, scenario: str, profile: str = "quick") -> Cell:
    return next(
        one
        for one in fixtures.cells_of(profile)
        if (one.framework, one.method, one.scenario) == (framework, method, scenario)
    )


def page(folder: Path) -> str:
    return render(folder, MATRIX).read_text(encoding="utf-8")


def downloads(source: str) -> list[str]:
    """What the page's CSV and SVG files hold."""
    plain = [unquote(one) for one in re.findall(r'href="data:text/csv[^,]*,([^"]*)"', source)]
    packed = re.findall(r'href="data:image/svg[^,]*,([^"]*)"', source)
    return plain + [base64.b64decode(one).decode() for one in packed]


def only_chapter(folder: Path) -> Chapter:
    (chapter,) = chapters(read(folder), MATRIX)
    return chapter


def parts(folder: Path) -> tuple[Chapter, tuple[timings.Block, ...], Quality]:
    chapter = only_chapter(folder)
    return chapter, timings.blocks(chapter, MATRIX, "quick"), quality(chapter, MATRIX)


def row_of(folder: Path, of: Cell) -> timings.Row:
    _, blocks, _ = parts(folder)
    block = next(one for one in blocks if one.scenario == of.scenario)
    return next(r for r in block.rows if (r.variant.framework, r.variant.method) == (of.framework, of.method))
