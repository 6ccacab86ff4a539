"""Label files: `val_map.txt`, the devkit's ground truth, the calibration list, `labels.csv`.

Standard library only: the host reads them. Every problem of a file is found before one error names the
file, how many lines are wrong and the first few of them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from bench.common.errors import ArtifactError

#: Outputs of every model: class indices are 0 .. CLASSES - 1, for ImageNet in the order of the wnids.
CLASSES = 1000

_EXAMPLES = 3


class Labelled(NamedTuple):
    """One line of a label file: its number (from 1), the image's name (POSIX, relative), the class index."""

    line: int
    file: str
    label: int


def val_map(path: Path) -> list[Labelled]:
    """Read MLPerf's form, "file index" a line. Raises ArtifactError for a wrong line or a name twice."""
    rows: list[tuple[int, str, str]] = []
    wrong: list[str] = []
    for number, line in _lines(path):
        words = line.rsplit(None, 1)
        if len(words) == 2:
            rows.append((number, words[0], words[1]))
        else:
            wrong.append(f'line {number}: {line!r} is not "file index"')
    return _labelled(path, rows, wrong)


def labels_csv(path: Path) -> list[Labelled]:
    """Read a CSV with the columns `file` and `class_index`, others ignored; the header must be there."""
    rows: list[tuple[int, str, str]] = []
    wrong: list[str] = []
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not {"file", "class_index"} <= set(header):
            raise ArtifactError(
                f"the first line has the columns {', '.join(header) or 'none'}",
                where=str(path),
                remedy="the header must name `file` and `class_index`",
            )
        file, index = header.index("file"), header.index("class_index")
        for row in reader:
            if len(row) > max(file, index):
                rows.append((reader.line_num, row[file].strip(), row[index].strip()))
            elif row:
                wrong.append(f"line {reader.line_num}: {len(row)} columns, the header has {len(header)}")
    except csv.Error as error:
        wrong.append(f"line {reader.line_num}: {error}")
    return _labelled(path, rows, wrong)


def ground_truth(path: Path) -> list[int]:
    """Read the devkit's ground truth: one ILSVRC2012_ID (1 .. 1000) a line, in file-name order."""
    found: list[int] = []
    wrong: list[str] = []
    for number, line in _lines(path):
        identity = _number(line)
        if identity is None or not 1 <= identity <= CLASSES:
            wrong.append(f"line {number}: {line!r} is not an ILSVRC2012_ID, 1 to {CLASSES}")
        else:
            found.append(identity)
    refuse(path, wrong)
    if not found:
        raise ArtifactError("no labels", where=str(path))
    return found


def image_list(path: Path) -> list[tuple[int, str]]:
    """Read MLPerf's calibration list: (line number, file name) of each line, no name twice."""
    wrong: list[str] = []
    names = [(number, _relative(number, line, wrong)) for number, line in _lines(path)]
    wrong += _twice(names)
    refuse(path, wrong)
    if not names:
        raise ArtifactError("no images", where=str(path))
    return names


def refuse(path: Path, wrong: list[str], remedy: str = "") -> None:
    """Raise one ArtifactError naming the file and the first of what is wrong, if anything is."""
    if wrong:
        raise ArtifactError(some(wrong), where=str(path), remedy=remedy)


def some(texts: list[str]) -> str:
    """The first few texts, and how many more there are."""
    more = f" (and {len(texts) - _EXAMPLES} more)" if len(texts) > _EXAMPLES else ""
    return "; ".join(texts[:_EXAMPLES]) + more


def _labelled(path: Path, rows: Iterable[tuple[int, str, str]], wrong: list[str]) -> list[Labelled]:
    """Check names and indices of raw rows."""
    found = []
    for number, name, word in rows:
        index = _number(word)
        if index is None or index >= CLASSES:
            wrong.append(f"line {number}: {word!r} is not a class index, 0 to {CLASSES - 1}")
            continue
        found.append(Labelled(number, _relative(number, name, wrong), index))
    wrong += _twice((entry.line, entry.file) for entry in found)
    refuse(path, wrong)
    if not found:
        raise ArtifactError("no labels", where=str(path))
    return found


def _relative(number: int, name: str, wrong: list[str]) -> str:
    """The name in its shortest form; adds to `wrong` what would lead out of the dataset's folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name or "\0" in name:
        wrong.append(f"line {number}: {name!r} is not the name of a file inside the folder")
    return str(path)


def _twice(names: Iterable[tuple[int, str]]) -> list[str]:
    first: dict[str, int] = {}
    return [
        f"line {number}: {name} is also on line {first[name]}"
        for number, name in names
        if first.setdefault(name, number) != number
    ]


def _number(word: str) -> int | None:
    # int() alone would take "1_0", "+1" and digits of other scripts
    return int(word) if word.isascii() and word.isdigit() and len(word) < 10 else None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number (from 1) and text of each line that has any."""
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            yield number, line.strip()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"cannot read the labels: {error}", where=str(path)) from error
