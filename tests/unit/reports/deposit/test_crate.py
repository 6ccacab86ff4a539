"""The archive of a run: complete, the same bytes again, and no damage that verify does not name."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fixtures_deposit as deposit
import fixtures_results as fixtures
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.common import errors
from bench.common.errors import ArchiveError, KitError, ResultError, UsageError
from images.desk.export import export
from reports.deposit import crate, hashes, tabular, verify
from reports.run import wording
from reports.run.reading import read

MATRIX = fixtures.matrix()
FEW = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(folder: Path) -> Path:
    return export(read(deposit.write_run(folder)), MATRIX, deposit.ROOT).path


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("run"))


def metadata(archive: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(zipfile.ZipFile(archive).read(crate.METADATA))
    return found


def rewritten(archive: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Write the archive again, with its content changed."""
    with zipfile.ZipFile(archive) as old:
        content = {name: old.read(name) for name in old.namelist()}
    change(content)
    with zipfile.ZipFile(target, "w") as new:
        for name, data in content.items():
            new.writestr(name, data)
    return target


def test_an_archive_verifies(archive: Path) -> None:
    found = verify.verify(archive)
    assert found.name == "edgequant run host-quick"
    assert found.files == len(zipfile.ZipFile(archive).namelist()) - 1
    assert found.sha256 == hashes.digest(archive)


def test_the_same_run_gives_the_same_archive(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a"), written(tmp_path / "b")
    shutil.copy(first, tmp_path / "first")  # and once more over itself
    assert export(read(tmp_path / "a"), MATRIX, deposit.ROOT).path == first
    assert first.read_bytes() == second.read_bytes() == (tmp_path / "first").read_bytes()


def test_it_holds_the_run_and_what_made_it(archive: Path) -> None:
    names = set(zipfile.ZipFile(archive).namelist())
    run = archive.parent.parent
    for path in (*run.glob("cells/*.json"), *run.glob("loadgen/**/*.txt"), run / "run.json"):
        assert path.relative_to(run).as_posix() in names
    wanted = {"matrix.toml", "locks/openvino-amd64.txt", "report.html", "LICENSE", "CITATION.cff"}
    assert wanted | {tabular.CSV, tabular.PARQUET, tabular.DICTIONARY, crate.METADATA} <= names
    assert zipfile.ZipFile(archive).read("matrix.toml") == fixtures.MATRIX.read_bytes()


def test_the_metadata_name_authors_licence_version_and_images(archive: Path) -> None:
    graph = {entity["@id"]: entity for entity in metadata(archive)["@graph"]}
    root = graph["./"]
    assert graph[crate.METADATA]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert graph[root["author"]["@id"]]["name"] == "The edgequant maintainers"
    assert root["license"] == {"@id": "https://spdx.org/licenses/MIT"}
    assert graph["#edgequant"]["version"] == "0.1.0"
    assert graph["#edgequant"]["identifier"] == deposit.KIT["revision"]
    assert graph[root["citation"]["@id"]]["name"].startswith("Performance Characterization")
    digest = f"sha256:{fixtures.sha('i')}"
    assert any(entity.get("identifier") == digest for entity in graph.values())
    assert wording.DISCLAIMER in root["description"]
    for part in root["hasPart"]:
        assert graph[part["@id"]]["sha256"]
        assert graph[part["@id"]]["encodingFormat"]


def test_a_run_without_a_report_is_not_archived(tmp_path: Path) -> None:
    deposit.write_run(tmp_path)
    (tmp_path / "report.html").unlink()
    with pytest.raises(UsageError, match="no report"):
        export(read(tmp_path), MATRIX, deposit.ROOT)


def test_another_matrix_than_the_runs_is_never_archived(tmp_path: Path) -> None:
    deposit.write_run(tmp_path)
    facts = json.loads((tmp_path / "run.json").read_text())
    facts["kit"]["matrix_sha256"] = "0" * 64
    (tmp_path / "run.json").write_text(json.dumps(facts))
    with pytest.raises(ResultError, match="run's matrix and locks"):
        export(read(tmp_path), MATRIX, deposit.ROOT)
    assert not list((tmp_path / "export").glob("*.zip*"))


def test_another_lock_than_the_runs_is_never_archived(tmp_path: Path) -> None:
    deposit.write_run(tmp_path)
    cell = fixtures.cells_of("quick", deposit.FILTERS)[0]
    path = tmp_path / "cells" / f"{cell.id}.json"
    result = json.loads(path.read_text())
    result["environment"]["lock"] = "0" * 64
    path.write_text(json.dumps(result))
    with pytest.raises(ResultError, match="run's matrix and locks"):
        export(read(tmp_path), MATRIX, deposit.ROOT)


# ---------------------------------------------------------------------------------------------- damage


def test_a_file_that_is_missing_extra_or_changed_is_named(archive: Path, tmp_path: Path) -> None:
    def change(content: dict[str, bytes]) -> None:
        del content["report.html"]
        content["smuggled.txt"] = b"hello"
        content["matrix.toml"] = content["matrix.toml"].replace(b"schema = 1", b"schema = 2")
        content["run.json"] += b"\n"

    with pytest.raises(ArchiveError) as caught:
        verify.verify(rewritten(archive, tmp_path / "a.zip", change))
    text = str(caught.value)
    assert "missing: report.html" in text
    assert "extra: smuggled.txt" in text
    assert "matrix.toml: its SHA-256 is" in text
    assert "run.json:" in text
    assert "a.zip" in text


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../up.txt", "cells/../../up.txt", "a\\b", "C:evil", "cells//twice", "./x", "dir/"],
)
def test_a_name_that_leads_elsewhere_is_refused(archive: Path, tmp_path: Path, name: str) -> None:
    changed = rewritten(archive, tmp_path / "a.zip", lambda content: content.update({name: b""}))
    with pytest.raises(ArchiveError, match=r"plain name|outside"):
        verify.verify(changed)


def test_a_link_is_refused(archive: Path, tmp_path: Path) -> None:
    shutil.copy(archive, tmp_path / "a.zip")
    info = zipfile.ZipInfo("cells/link")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as changed:
        changed.writestr(info, "/etc/passwd")
    with pytest.raises(ArchiveError, match="is a link"):
        verify.verify(tmp_path / "a.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(archive: Path, tmp_path: Path) -> None:
    shutil.copy(archive, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as changed:
        changed.writestr("run.json", zipfile.ZipFile(archive).read("run.json"))
    with pytest.raises(ArchiveError, match="2 times"):
        verify.verify(tmp_path / "a.zip")


def test_another_version_of_the_form_is_refused(archive: Path, tmp_path: Path) -> None:
    def change(content: dict[str, bytes]) -> None:
        content[crate.METADATA] = content[crate.METADATA].replace(b"crate/1.1", b"crate/9.9")

    with pytest.raises(ArchiveError, match=r"conforms to .*9\.9"):
        verify.verify(rewritten(archive, tmp_path / "a.zip", change))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"@graph": 7}', b'{"@graph": []}', b"\xff", b"nul"])
def test_metadata_of_another_form_are_one_error(archive: Path, tmp_path: Path, text: bytes) -> None:
    changed = rewritten(archive, tmp_path / "a.zip", lambda content: content.update({crate.METADATA: text}))
    with pytest.raises(ArchiveError):
        verify.verify(changed)


def test_what_is_no_archive_is_one_error(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(ArchiveError, match="not a whole zip"):
        verify.verify(tmp_path / "text.zip")
    with pytest.raises(ArchiveError, match="no such file"):
        verify.verify(tmp_path / "none.zip")
    with pytest.raises(ArchiveError):
        verify.verify(tmp_path)
    bare = rewritten(archive, tmp_path / "a.zip", lambda content: content.__delitem__(crate.METADATA))
    with pytest.raises(ArchiveError, match="not an RO-Crate"):
        verify.verify(bare)


def test_a_name_that_is_no_text_is_one_error(archive: Path, tmp_path: Path) -> None:
    changed = rewritten(archive, tmp_path / "a.zip", lambda content: content.update({"\u00e9": b""}))
    changed.write_bytes(changed.read_bytes().replace("\u00e9".encode(), b"\xff\xfe"))
    with pytest.raises(ArchiveError, match="not a whole zip"):
        verify.verify(changed)


@FEW
@given(place=st.floats(0, 1, exclude_max=True))
def test_an_archive_cut_short_is_one_error(archive: Path, tmp_path: Path, place: float) -> None:
    data = archive.read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[: int(place * len(data))])
    with pytest.raises(ArchiveError):
        verify.verify(tmp_path / "cut.zip")


@FEW
@given(data=st.data())
def test_a_changed_byte_of_any_file_is_found(archive: Path, tmp_path: Path, data: st.DataObject) -> None:
    with zipfile.ZipFile(archive) as whole:
        info = data.draw(st.sampled_from([one for one in whole.infolist() if one.file_size]))
    start = info.header_offset + 30 + len(info.filename)  # after the local header and the name
    place = start + data.draw(st.integers(0, info.file_size - 1))
    content = bytearray(archive.read_bytes())
    content[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / "bad.zip").write_bytes(content)
    with pytest.raises(ArchiveError):
        verify.verify(tmp_path / "bad.zip")


@FEW
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1))
def test_any_damage_is_found_or_harmless_never_a_traceback(
    archive: Path, tmp_path: Path, changes: list[tuple[float, int]]
) -> None:
    data = bytearray(archive.read_bytes())
    end = len(data) // 3  # the directory of a zip is at its end: half of the damage goes there
    for place, value in changes:
        data[int(place * len(data)) if value % 2 else len(data) - 1 - int(place * end)] = value
    (tmp_path / "bad.zip").write_bytes(data)
    try:
        verify.verify(tmp_path / "bad.zip")
    except ArchiveError:
        return


def test_every_kind_of_error_has_an_exit_code_of_its_own() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, KitError)]
    codes = [kind.exit_code for kind in kinds if kind is not KitError]
    assert len(codes) == len(set(codes))
    assert ArchiveError.exit_code == 11
