"""Artifacts carried as one archive: the same content arrives, and nothing else does."""

from __future__ import annotations

import gzip
import json
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from fixtures_artifacts import fake, make_spec

from bench.common import hashing
from bench.common.errors import ArtifactError
from bench.convert import wanted
from bench.convert.wanted import recipes
from bench.store import artifacts as store
from bench.store.artifacts import Artifact
from bench.store.recipes import Recipe
from images.choosing.session import Session
from images.making.tarball import stream
from images.preparing import transfer
from images.preparing.transfer import Loaded
from images.workspace import Workspace


@pytest.fixture
def chosen(tmp_path: Path) -> list[Artifact]:
    cache = tmp_path / "here" / ".cache"
    return [fake(cache, recipe, bytes(5000)) for recipe in recipes(make_spec(cache))]


@pytest.fixture
def there(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "there")


def test_what_is_exported_arrives_whole_and_nothing_is_left_to_make(
    chosen: list[Artifact], there: Workspace, tmp_path: Path
) -> None:
    archive = tmp_path / "models.tar.gz"
    transfer.write(chosen, archive)
    assert transfer.load(there, archive) == Loaded(len(chosen), ())
    assert wanted.missing(make_spec(there.cache)) == []
    for artifact in chosen:
        if artifact.entry["recipe"]["format"] != "dataset":
            hashing.verify(there.cache / "artifacts" / artifact.sha256, artifact.sha256)
    assert transfer.load(there, archive) == Loaded(len(chosen), ()), "a second import changes nothing"


@pytest.mark.parametrize("asked", [False, True])
def test_a_users_images_travel_only_if_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    """`models --export` packed the arrays of --dataset folder: though the docs promised that none leaves."""
    here = Workspace(tmp_path / "here")
    spec = make_spec(
        here.cache, dataset="folder", data={"path": "/photos", "fingerprint": "1a2b3c4d" * 8, "samples": 0}
    )
    made = {recipe.key: fake(here.cache, recipe) for recipe in recipes(spec)}
    monkeypatch.setattr(transfer, "specification", lambda *_: spec)
    session = cast(Session, SimpleNamespace(workspace=here))
    left = transfer.export(session, tmp_path / "archive", images=asked)
    with tarfile.open(tmp_path / "archive") as tar:
        packed = {name.partition("/")[0] for name in tar.getnames()} - {transfer.MANIFEST}
        manifest = json.loads(tar.extractfile(transfer.MANIFEST).read())  # type: ignore[union-attr]
    assert set(manifest["entries"]) == packed
    arrays = {key for key, artifact in made.items() if artifact.entry["recipe"]["format"] == "dataset"}
    own = {key for key in arrays if made[key].entry["recipe"]["dataset"] != "fashion-mnist"}
    assert len(own) == 1
    assert set(made) - packed == (set() if asked else own)
    assert left == ([] if asked else ["folder-1a2b3c4d"])


def test_an_import_takes_the_place_of_what_was_made_here(
    chosen: list[Artifact], there: Workspace, tmp_path: Path
) -> None:
    transfer.write(chosen, tmp_path / "archive")
    every = [Recipe(**{**a.entry["recipe"], "inputs": tuple(a.entry["recipe"]["inputs"])}) for a in chosen]
    own = next(recipe for recipe in every if recipe.format == "openvino_ir")
    made = fake(there.cache, own, b"other bytes of the same recipe")
    loaded = transfer.load(there, tmp_path / "archive")
    assert loaded == Loaded(len(chosen), (own.label,))
    assert "in the place of what was made here: openvino" in str(loaded)
    published = next(artifact for artifact in chosen if artifact.key == own.key)
    found = store.lookup(there.cache, own)
    assert found is not None
    assert found.sha256 == published.sha256 != made.sha256


def test_the_same_artifacts_give_the_same_bytes(chosen: list[Artifact], tmp_path: Path) -> None:
    for name in ("one", "two"):
        transfer.write(chosen, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert not list(tmp_path.glob("*.partial"))


def test_a_changed_file_is_refused(chosen: list[Artifact], there: Workspace, tmp_path: Path) -> None:
    victim = chosen[-1]
    (victim.directory / victim.files[0]).write_bytes(b"other weights")
    transfer.write(chosen, tmp_path / "archive")
    with pytest.raises(ArtifactError, match="corrupt"):
        transfer.load(there, tmp_path / "archive")
    kept = store.read_index(there.cache)
    assert victim.key not in kept
    assert len(kept) == len(chosen) - 1, "what came before it is kept"


def test_an_archive_cut_short_is_refused(chosen: list[Artifact], there: Workspace, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    transfer.write(chosen, archive)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(ArtifactError, match="not a whole archive"):
        transfer.load(there, archive)
    with pytest.raises(ArtifactError, match="no such file"):
        transfer.load(there, tmp_path / "gone")


def test_a_manifest_that_names_files_outside_is_refused(
    chosen: list[Artifact], there: Workspace, tmp_path: Path
) -> None:
    entry = {**chosen[-1].entry, "files": ["../../evil"]}
    manifest = json.dumps({"schema": 1, "entries": {chosen[-1].key: entry}}).encode()
    members = [("manifest.json", manifest), (f"{chosen[-1].key}/../../evil", b"evil")]
    with gzip.open(tmp_path / "archive", "wb") as packed:
        packed.writelines(stream(members))
    with pytest.raises(ArtifactError):
        transfer.load(there, tmp_path / "archive")
    assert not list(tmp_path.rglob("evil"))
    assert tarfile.is_tarfile(tmp_path / "archive")
