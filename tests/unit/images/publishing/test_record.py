"""The kit's TOML records: what is written is read back, and a wrong one is one clear error."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.common.errors import RegistryError
from images.publishing import record

SCALARS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**63), 2**63 - 1), st.booleans()
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TABLES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(NAMES, st.one_of(SCALARS, st.lists(SCALARS, max_size=3)), max_size=4),
    lambda inner: st.dictionaries(
        NAMES, st.one_of(SCALARS, inner, st.lists(inner, min_size=1, max_size=3)), max_size=4
    ),
    max_leaves=12,
)


@given(TABLES)
def test_what_is_written_is_read_back(document: dict[str, Any]) -> None:
    assert tomllib.loads(record.dumps(document, "a comment\nof two lines")) == document


def test_the_same_content_gives_the_same_bytes() -> None:
    one, two = {"b": 1, "a": {"y": 2, "x": "3"}}, {"a": {"x": "3", "y": 2}, "b": 1}
    assert (
        record.dumps(one, "head") == record.dumps(two, "head") == '# head\n\nb = 1\n\n[a]\nx = "3"\ny = 2\n'
    )


@dataclass(frozen=True)
class Row:
    digest: str
    size: int = 0


@dataclass(frozen=True)
class Record:
    rows: dict[str, Row]


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ('[rows.a]\ndigset = "x"\n', "rows.a.digset", "unknown key 'digset'. Did you mean 'digest'?"),
        ('[rows.a]\ndigest = "x"\nsize = "big"\n', "rows.a.size", "expected int, got str 'big'"),
        ("[rows.a]\n", "rows.a.digest", "missing key"),
        ("rows = [", "record.toml", "not TOML"),
    ],
)
def test_a_wrong_record_names_file_key_and_value(tmp_path: Path, text: str, where: str, problem: str) -> None:
    path = tmp_path / "record.toml"
    path.write_text(text)
    with pytest.raises(RegistryError) as caught:
        record.load(Record, path, RegistryError, "publish again")
    assert str(path) in caught.value.where
    assert where in caught.value.where
    assert problem in caught.value.message
    assert caught.value.remedy
