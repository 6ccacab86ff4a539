"""reports/claims/claims.toml: what it must say, and one clear error for what it must not."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import fixtures_results as fixtures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.common.errors import MatrixError
from reports.claims import catalogue
from reports.claims.catalogue import Want
from reports.run.wording import TIMES

MATRIX = fixtures.matrix()
FILE = catalogue.load(MATRIX)
PAPER = os.environ.get("EDGEQUANT_PAPER", "")


def document() -> dict[str, Any]:
    return tomllib.loads(catalogue.FILE.read_text(encoding="utf-8"))


def changed(claim: str, **keys: Any) -> dict[str, Any]:
    found = document()
    found["claims"][claim].update(keys)
    return found


def test_a_comparison_never_sets_a_subject_against_another() -> None:
    for claim in FILE.claims.values():
        groups = catalogue.comparisons(claim, MATRIX)
        assert len(groups) == len(set(groups))
        if claim.of != "trend":
            subjects = {group[0] for group in groups}
            assert not subjects & {group[1] for group in groups}


def test_what_table_three_leaves_empty_is_compared_with_nothing() -> None:
    groups = catalogue.comparisons(FILE.claims["openvino-fastest"], MATRIX)
    rivals = {(other.framework, other.method) for _, other in groups}
    assert ("pytorch", "INT8-DQ") not in rivals
    assert ("tflite", "FP16") in rivals
    assert len(groups) == 27


def test_a_trend_is_one_line_a_framework_over_the_batches() -> None:
    claim = FILE.claims["batch-trend"]
    lines = catalogue.comparisons(claim, MATRIX)
    assert [[want.batch for want in line] for line in lines] == [[1, 2, 4, 8, 16, 32]] * 2
    assert {(line[0].framework, line[0].method) for line in lines} == {
        ("onnxruntime", "INT8-SQ"),
        ("openvino", "INT8-OM"),
    }
    needed = catalogue.cells(claim, lines[1])
    assert Want("openvino", "mobilenet_v2", "FP32", "Offline", 16) in needed


def test_every_tolerance_has_a_reason_and_every_claim_its_place() -> None:
    assert all(len(one.why) > 20 for one in FILE.tolerances.values())
    for name, claim in FILE.claims.items():
        assert claim.section, name
        assert claim.quote, name
    assert {claim.tolerance for claim in FILE.claims.values()} == set(FILE.tolerances)


def test_the_paper_is_accused_only_by_its_own_words() -> None:
    """An accusation has two quotes at least; a typo, an omission or another document is none."""
    assert FILE.inconsistency
    for one in FILE.inconsistency:
        assert len({quote.place for quote in one.quotes}) > 1, one.title
    text = "\n".join(one.problem for one in FILE.inconsistency)
    assert not re.search(r"mlperf.conf|issue|Keras|DenseNet-12\\b", text)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"frameworks": ["tflit"]}, ("claims.dq.frameworks", "'tflit'", "Did you mean 'tflite'?")),
        ({"methods": ["INT8-DC"]}, ("claims.dq.methods", "'INT8-DC'", "Did you mean 'INT8-DQ'?")),
        ({"against": {"methods": ["FP23"]}}, ("claims.dq.against.methods", "'FP23'", "'FP32'")),
        ({"expects": "above"}, ("claims.dq.expects", "'above'", "Did you mean 'expect'?")),
        ({"expect": "bellow"}, ("claims.dq.expect", "'bellow'", "Did you mean 'below'?")),
        ({"tolerance": "sid"}, ("claims.dq.tolerance", "'sid'", "Did you mean 'side'?")),
        ({"platforms": ["fontera"]}, ("claims.dq.platforms", "Did you mean 'frontera'?")),
        ({"value": "one"}, ("claims.dq.value", "'one'")),
        ({"batches": [7], "sweep": "batch"}, ("claims.dq", "unknown")),
        ({"of": "trend"}, ("claims.dq.of", "three batches")),
        ({"against": {}}, ("claims.dq.against", "nothing is left to compare")),
    ],
)
def test_a_mistake_is_one_error_with_file_claim_key_and_value(
    keys: dict[str, Any], told: tuple[str, ...]
) -> None:
    with pytest.raises(MatrixError) as caught:
        catalogue.parse(changed("dynamic-slower-x86", **keys), MATRIX)
    message = str(caught.value)
    assert message.startswith("claims.toml: claims.dynamic-slower-x86")
    for part in told:
        assert part.replace("claims.dq", "claims.dynamic-slower-x86") in message
    assert caught.value.exit_code == 2


@given(name=st.text(min_size=1), key=st.sampled_from(["frameworks", "models", "methods", "scenarios"]))
def test_a_name_that_is_not_the_matrix_s_is_refused_by_name(name: str, key: str) -> None:
    if name in getattr(MATRIX, key):
        return
    with pytest.raises(MatrixError) as caught:
        catalogue.parse(changed("dynamic-slower-x86", **{key: [name]}), MATRIX)
    assert f"'{name}'" in str(caught.value)


def test_a_file_that_is_not_toml_says_so(tmp_path: Path) -> None:
    path = tmp_path / "claims.toml"
    path.write_text("schema = ", encoding="utf-8")
    with pytest.raises(MatrixError, match="not TOML"):
        catalogue.load(MATRIX, path)


def plain(text: str) -> str:
    """The paper's text as one line, its formulas as print shows them."""
    text = re.sub(r"\$([\d.]+)\s*\\times\s*\$", lambda found: found[1] + TIMES, text)
    return re.sub(r"\s+", " ", text)


@pytest.mark.skipif(not PAPER, reason="EDGEQUANT_PAPER names no file with the paper's text")
def test_every_quote_is_the_papers() -> None:
    paper = plain(Path(PAPER).read_text(encoding="utf-8"))
    quotes = [claim.quote for claim in FILE.claims.values()]
    quotes += [quote.text for one in FILE.inconsistency for quote in one.quotes]
    assert [quote for quote in quotes if plain(quote) not in paper] == []
