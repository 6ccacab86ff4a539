"""What a push would send, measured from an engine's export of an image; the table in a narrow terminal."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from images.desk.inventory import measure, table

LAYERS = {f"{number}/layer.tar": random.Random(number).randbytes(40_000) + bytes(90_000) for number in (1, 2)}


def export(members: dict[str, bytes]) -> bytes:
    """Return what `docker save` streams: layers, configuration and manifest in one archive."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@given(st.lists(st.integers(1, 300_000), max_size=6))
def test_layers_are_recognised_by_content_however_the_stream_is_cut(cuts: list[int]) -> None:
    whole = export({**LAYERS, "config.json": b"{}" * 900, "manifest.json": b"[]"})
    ends = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = (whole[start:end] for start, end in zip(ends, ends[1:]) if start < end)
    found = measure(pieces, {digest(content) for content in LAYERS.values()})
    assert set(found) == {digest(content) for content in LAYERS.values()}
    for content in LAYERS.values():
        assert found[digest(content)] == pytest.approx(len(gzip.compress(content, 6)), rel=0.01)


def test_only_what_is_asked_for_is_returned() -> None:
    wanted = digest(LAYERS["1/layer.tar"])
    assert set(measure(iter([export(LAYERS)]), {wanted})) == {wanted}


def test_table_reads_well_in_80_columns() -> None:
    versions = {"onnxruntime": "1.32.0", "openvino": "2026.4.1", "torch": "2.13.0+cpu"}
    facts = {
        "id": f"sha256:{'0123456789ab' * 4}",
        "bytes": 999_900_000,
        "layers": [{}] * 3,
        "up_to_date": False,
    }
    rows = [
        {"name": "prepare", "built": True, "pushed_bytes": None, "versions": versions, **facts},
        {
            "name": "onnxruntime",
            "built": True,
            "pushed_bytes": 88_800_000,
            "versions": {"a": "1.32.0"},
            **facts,
        },
        {"name": "openvino", "built": False},
    ]
    console = Console(width=80, file=io.StringIO())
    console.print(table(rows, "Images"))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\u2026" not in text
    for words in ("onnxruntime  999.9 MB  88.8 MB", "0123456789ab", "2.13.0+cpu", "outdated", "not built"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 80
