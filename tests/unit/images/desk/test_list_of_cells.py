"""`invoke list`: what it calls beyond the paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from bench.plan import prediction
from images.choosing.groups import groups
from images.choosing.session import Session
from images.desk import line, listing

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize(("platform", "marked"), [("rpi5", True), ("rpi4", False), ("frontera", False)])
def test_openvino_on_arm64_is_beyond_the_paper(
    platform: str, marked: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def guessed(of: Session) -> dict[object, prediction.Speed]:
        return {group: prediction.guess(of.matrix, group.model, 2) for group in groups(of.plan)}

    monkeypatch.setattr(listing, "expected_speeds", guessed)  # known speeds would open an engine
    monkeypatch.setattr(listing, "CONSOLE", Console(width=200))
    listing.show_matrix(Session.open(ROOT, {**line.no_flags(), "platform": platform}))
    assert ("openvino (beyond the paper)" in capsys.readouterr().out) is marked
