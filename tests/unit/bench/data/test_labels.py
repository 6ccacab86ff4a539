"""bench.data.labels and matfile: every form of labels, and one clear error for each that is wrong."""

from __future__ import annotations

import csv
import functools
import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures_datasets import WNIDS, meta_mat
from hypothesis import given
from hypothesis import strategies as st

from bench.common.errors import ArtifactError
from bench.data import labels, matfile

PARSERS: list[Callable[[Path], Any]] = [
    labels.val_map,
    labels.labels_csv,
    labels.ground_truth,
    labels.image_list,
    matfile.wnids,
]

#: File names as they are: any letters, blanks inside, a folder before.
NAMES = st.lists(
    st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="/"), min_size=1).filter(
        lambda name: name not in (".", "..")
    ),
    min_size=1,
    max_size=3,
).map("/".join)
TABLE = st.lists(st.tuples(NAMES, st.integers(0, 999)), min_size=1, unique_by=lambda row: row[0])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labels") / "file"


@given(rows=TABLE, newline=st.sampled_from(["\n", "\r\n"]))
def test_a_val_map_is_read_as_it_was_written(path: Path, rows: list[tuple[str, int]], newline: str) -> None:
    path.write_bytes(newline.join(f"{file} {index}" for file, index in rows).encode())
    assert [(entry.file, entry.label) for entry in labels.val_map(path)] == rows


@given(rows=TABLE, order=st.permutations(["file", "wnid", "class_index"]))
def test_a_csv_is_read_whatever_its_columns_order(
    path: Path, rows: list[tuple[str, int]], order: list[str]
) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, order)
    writer.writeheader()
    writer.writerows({"file": file, "class_index": index, "wnid": "n, 1"} for file, index in rows)
    path.write_text("\ufeff" + text.getvalue(), encoding="utf-8")
    assert [(entry.file, entry.label) for entry in labels.labels_csv(path)] == rows


@given(st.lists(st.integers(1, 1000), min_size=1))
def test_ground_truth_is_read_as_it_was_written(path: Path, identities: list[int]) -> None:
    path.write_text("\n".join(map(str, identities)) + "\n\n")
    assert labels.ground_truth(path) == identities


@given(content=st.one_of(st.binary(), st.text().map(str.encode)), parse=st.sampled_from(PARSERS))
def test_nothing_but_the_kits_own_error_comes_out_of_any_file(
    path: Path, content: bytes, parse: Callable[[Path], Any]
) -> None:
    path.write_bytes(content)
    try:
        parse(path)
    except ArtifactError as error:
        assert error.where == str(path)


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (labels.val_map, "a.jpg 0\nb.jpg\n", r"line 2: 'b.jpg' is not \"file index\""),
        (labels.val_map, "a.jpg 0\nb.jpg 1000\n", "line 2: '1000' is not a class index, 0 to 999"),
        (labels.val_map, "a.jpg -1\n", "line 1: '-1' is not a class index"),
        (labels.val_map, "a.jpg 1_0\n", "line 1: '1_0' is not a class index"),
        (labels.val_map, "a.jpg 0\n\n./a.jpg 1\n", "line 3: a.jpg is also on line 1"),
        (labels.val_map, "../a.jpg 0\n", "line 1: '../a.jpg' is not the name of a file inside"),
        (labels.val_map, "/a.jpg 0\n", "line 1: '/a.jpg' is not the name of a file inside"),
        (labels.val_map, "\n", "no labels"),
        (labels.val_map, "a 9999\nb 9999\nc 9999\nd 9999\n", r"line 3: .* \(and 1 more\)"),
        (labels.labels_csv, "a.jpg,0\n", "the first line has the columns a.jpg, 0"),
        (labels.labels_csv, "file,class_index\na.jpg\n", "line 2: 1 columns, the header has 2"),
        (labels.labels_csv, "file,class_index\n", "no labels"),
        (labels.labels_csv, 'file,class_index\n"a.jpg,0\n', "line 2: unexpected end of data"),
        (labels.ground_truth, "490\n0\n", "line 2: '0' is not an ILSVRC2012_ID, 1 to 1000"),
        (labels.ground_truth, "", "no labels"),
        (labels.image_list, "a.JPEG\nb.JPEG\na.JPEG\n", "line 3: a.JPEG is also on line 1"),
        (labels.image_list, "", "no images"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    path: Path, parse: Callable[[Path], Any], text: str, message: str
) -> None:
    path.write_text(text)
    with pytest.raises(ArtifactError, match=message):
        parse(path)


def test_a_file_in_another_encoding_is_an_error(path: Path) -> None:
    path.write_bytes("café.jpg 0".encode("latin-1"))
    with pytest.raises(ArtifactError, match="cannot read the labels"):
        labels.val_map(path)


# ----------------------------------------------------------------------------------------------- meta.mat


@functools.cache
def devkit() -> dict[int, str]:
    """Ids in an order that is not the wnids', and an inner node of WordNet after them."""
    shuffled = random.Random(1).sample(WNIDS, len(WNIDS))
    return {**dict(enumerate(shuffled, 1)), 1001: "n00001740"}


@functools.cache
def whole_meta_mat(packed: bool) -> bytes:
    return meta_mat(devkit(), packed=packed)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_meta_mat_tells_the_wnid_of_every_class(path: Path, packed: bool, order: str) -> None:
    path.write_bytes(meta_mat(devkit(), packed=packed, order=order))
    found = matfile.wnids(path)
    assert len(found) == 1000
    assert found == {identity: wnid for identity, wnid in devkit().items() if identity <= 1000}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({1: "n1"}, "'n1' is no wnid"),
        ({1: WNIDS[0], 2: WNIDS[0]}, "1000 classes with ids 1 to 1000, expected each once"),
        ({1000: None}, "999 classes"),
    ],
)
def test_a_table_that_is_not_the_devkits_is_an_error(
    path: Path, change: dict[int, str | None], message: str
) -> None:
    table = {identity: wnid for identity, wnid in {**devkit(), **change}.items() if wnid}
    path.write_bytes(meta_mat(table))
    with pytest.raises(ArtifactError, match=message):
        matfile.wnids(path)


@given(st.integers(128, 5000), st.binary(min_size=1, max_size=8), st.booleans())
def test_a_damaged_meta_mat_is_an_error_or_the_same_table(
    path: Path, position: int, damage: bytes, cut: bool
) -> None:
    whole = whole_meta_mat(position % 2 == 0)
    path.write_bytes(whole[:position] if cut else whole[:position] + damage + whole[position + len(damage) :])
    try:
        assert len(matfile.wnids(path)) == 1000
    except ArtifactError as error:
        assert error.where == str(path)
