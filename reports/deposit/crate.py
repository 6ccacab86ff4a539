"""A run as one archive for deposit: an RO-Crate 1.1 in a zip, with the SHA-256 of every file.

It holds what the run left (results, LoadGen's logs, audits, report), what made it and the tidy table. The
same run gives the same bytes: names are sorted, dates are constant, nothing is compressed, because what a
compressor writes depends on its version. reports.deposit.verify reads it.
"""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from invoke.vendor import yaml

from bench.common.errors import UsageError
from reports.deposit import tabular
from reports.deposit.hashes import Content, digest
from reports.run import wording
from reports.run.results import Run

METADATA = "ro-crate-metadata.json"
PROFILE = "https://w3id.org/ro/crate/1.1"
CONTEXT = (f"{PROFILE}/context", {"sha256": "https://schema.org/sha256"})  # 1.1 has no term for a hash
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say
_FOLDERS = ("cells", "loadgen", "audit")
_FORMATS = {
    ".json": "application/json",
    ".csv": "text/csv",
    ".html": "text/html",
    ".toml": "application/toml",
    ".cff": "application/yaml",
    ".parquet": "application/vnd.apache.parquet",
}
_TOLD = {
    tabular.CSV: "All cells and rounds, tidy: one row for each",
    tabular.DICTIONARY: "Data dictionary of the table (CSVW): type, unit, meaning and source of each column",
    tabular.PARQUET: "The same table as Parquet",
    "run.json": "What was planned, on what machine, and what failed",
    "report.html": "The report",
    "matrix.toml": "Platforms, images, models, methods and profiles of this run",
    "CITATION.cff": "How to cite",
    "LICENSE": "Licence",
}


@dataclass(frozen=True)
class Crate:
    """A written archive: where, its SHA-256 (hex), how many files it holds."""

    path: Path
    sha256: str
    files: int


def write(run: Run, table: Mapping[str, bytes], sources: Mapping[str, bytes]) -> Crate:
    """Write `run`'s archive into its folder export/, with its `table` (tabular.write) and `sources`.

    `sources` are what made the run, by their names in the archive: its very matrix and locks, CITATION.cff,
    LICENSE. Raises UsageError without a report.
    """
    content: dict[str, Content] = {**_left(run.path), **table, **sources}
    citation = yaml.safe_load(sources["CITATION.cff"])  # type: ignore[no-untyped-call]
    document = {"@context": CONTEXT, "@graph": _graph(run, citation, content)}
    content[METADATA] = (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
    target = tabular.folder(run) / f"{run.name}.crate.zip"
    partial = target.with_name(f"{target.name}.partial")
    try:
        _zip(partial, content)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return Crate(target, digest(target), len(content))


def _left(run_dir: Path) -> dict[str, Content]:
    """What the run left, by its name in the archive."""
    if not (run_dir / "report.html").is_file():
        raise UsageError("the run has no report", where=str(run_dir), remedy="invoke report")
    paths = [run_dir / "run.json", run_dir / "report.html"]
    for folder in _FOLDERS:
        paths += [path for path in (run_dir / folder).rglob("*") if path.is_file()]
    return {path.relative_to(run_dir).as_posix(): path for path in paths}


def _zip(target: Path, content: Mapping[str, Content]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(content):
            one = content[name]
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system, info.external_attr = 3, 0o100644 << 16  # a plain file of Unix
            info.file_size = len(one) if isinstance(one, bytes) else one.stat().st_size
            source = io.BytesIO(one) if isinstance(one, bytes) else one.open("rb")
            with source, archive.open(info, "w") as member:
                shutil.copyfileobj(source, member)


def _graph(run: Run, citation: Mapping[str, Any], content: Mapping[str, Content]) -> list[dict[str, Any]]:
    """The entities of the metadata file: the crate, its files, and what they came from."""
    kit, licence = run.facts["kit"], f"https://spdx.org/licenses/{citation['license']}"
    authors = [_author(one) for one in citation["authors"]]
    works = [_work(number, one) for number, one in enumerate(citation.get("references", []))]
    images = _images(run)
    files = [_file(name, content[name]) for name in sorted(content)]
    paper_authors = [_author(one) for work in citation.get("references", []) for one in work["authors"]]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"edgequant run {run.name}",
        "description": f"{wording.DISCLAIMER}. Quantized inference on platform {run.platform}, profile "
        f"{run.profile}: {len(run.measured)} of {run.planned} planned cells measured"
        + ("." if run.complete else "; the run is not complete."),
        "datePublished": run.facts["updated"],
        "license": _refer(licence),
        "author": _refer(*(one["@id"] for one in authors)),
        "citation": _refer(*(one["@id"] for one in works)),
        "hasPart": _refer(*(one["@id"] for one in files)),
        "mentions": _refer("#run", *(one["@id"] for one in images)),
    }
    software = {
        "@id": "#edgequant",
        "@type": "SoftwareApplication",
        "name": "edgequant",
        "version": kit["version"],
        "identifier": kit["revision"],
        "description": citation["title"] + ("; run with uncommitted changes" if kit["dirty"] else ""),
        "license": _refer(licence),
        "author": _refer(*(one["@id"] for one in authors)),
    }
    action = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"invoke run, {run.name}",
        "startTime": run.facts["created"],
        "endTime": run.facts["updated"],
        "instrument": _refer("#edgequant", *(one["@id"] for one in images)),
        "object": _refer("matrix.toml"),
        "result": _refer(*(one["@id"] for one in files if one["@id"].startswith(("cells/", "loadgen/")))),
    }
    spdx = {"@id": licence, "@type": "CreativeWork", "name": f"{citation['license']} licence"}
    about = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": _refer(PROFILE),
        "about": _refer("./"),
    }
    people = {one["@id"]: one for one in (*authors, *paper_authors)}
    return [about, root, *files, software, action, *images, *works, *people.values(), spdx]


def _refer(*names: str) -> Any:
    """References to entities: as JSON-LD is compacted, one stands without a list."""
    found = [{"@id": name} for name in names]
    return found[0] if len(found) == 1 else found


def _file(name: str, content: Content) -> dict[str, Any]:
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    told = {"description": _TOLD[name]} if name in _TOLD else {}
    return {
        "@id": quote(name),
        "@type": "File",
        "name": name,
        **told,
        "encodingFormat": _FORMATS.get(Path(name).suffix, "text/plain"),
        "contentSize": str(size),
        "sha256": digest(content),
    }


def _author(one: Mapping[str, str]) -> dict[str, Any]:
    """A person or an entity of CITATION.cff."""
    if "name" in one:
        return {"@id": f"#{quote(one['name'])}", "@type": "Organization", "name": one["name"]}
    given, family = one.get("given-names", ""), one["family-names"]
    name = f"{given} {family}".strip()
    identifier = one.get("orcid") or f"#{quote(name)}"
    return {"@id": identifier, "@type": "Person", "name": name, "givenName": given, "familyName": family}


def _work(number: int, one: Mapping[str, Any]) -> dict[str, Any]:
    identifier = f"https://doi.org/{one['doi']}" if one.get("doi") else f"#reference-{number + 1}"
    return {
        "@id": identifier,
        "@type": "ScholarlyArticle",
        "name": one["title"],
        "author": _refer(*(_author(author)["@id"] for author in one["authors"])),
        **({"datePublished": str(one["year"])} if one.get("year") else {}),
    }


def _images(run: Run) -> list[dict[str, Any]]:
    """The images or environments that the cells ran in, by digest."""
    found: dict[str, dict[str, Any]] = {}
    for one in run.measured:
        engine = one.environment["engine"]
        identifier = engine["digest"] or f"lock:{one.environment['lock']}"
        found.setdefault(
            identifier,
            {
                "@id": f"#{quote(identifier)}",
                "@type": "SoftwareApplication",
                "name": f"{engine['image']} ({engine['kind']})",
                "identifier": identifier,
                "softwareRequirements": _versions(one.versions),
            },
        )
    return [found[name] for name in sorted(found)]


def _versions(versions: Mapping[str, str]) -> Iterable[str]:
    return [f"{name} {version}" for name, version in sorted(versions.items())]
