"""`invoke generate`: the committed files that are made from the code.

Dockerfiles, the matrix's schema, and docs/reference.md: tasks, exit codes, matrix keys, claims and columns.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

from invoke import Collection, Task

from bench.common import errors
from bench.plan import reading
from bench.plan.matrix import Matrix
from bench.plan.tables import schema
from images.making import dockerfile
from reports.claims import catalogue
from reports.claims.tell import expected
from reports.deposit.tabular import columns

FILE = Path("docs") / "reference.md"
_HEAD = """# Reference

Generated from the code by `invoke generate`, do not edit. What the words mean is in the README.
"""
# The one that no class of bench.common.errors stands for; images/desk/line.py ends with it.
_OTHER_CODES = {130: "Stopped by hand; the same command goes on."}


def render(root: Path) -> str:
    """Return the page of the checkout in `root`."""
    matrix = reading.load(root / "matrix.toml")
    parts = (_tasks(_collection(root)), _codes(), _matrix(), _claims(matrix), _columns())
    return "\n".join([_HEAD, *(line for part in parts for line in part)]).rstrip() + "\n"


def write(root: Path) -> None:
    """Write the committed files that are made from the code: Dockerfiles, schema and reference."""
    dockerfile.write_all(reading.load(root / "matrix.toml"))
    schema_file = root / "bench" / "plan" / "matrix.schema.json"
    schema_file.write_text(json.dumps(reading.json_schema(), indent=1) + "\n", encoding="utf-8")
    (root / FILE).write_text(render(root), encoding="utf-8")


def _collection(root: Path) -> Collection:
    """The tasks of a fresh tasks.py: Invoke's parser takes the help out of those that it has read."""
    spec = importlib.util.spec_from_file_location("tasks_of_the_reference", root / "tasks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Collection.from_module(module)


def _table(*rows: Iterable[str]) -> Iterator[str]:
    """Yield a Markdown table, its first row the head."""
    for number, row in enumerate(rows):
        cells = [" ".join(cell.replace("|", "\\|").split()) for cell in row]
        yield f"| {' | '.join(cells)} |"
        if number == 0:
            yield f"|{'---|' * len(cells)}"
    yield ""


def _first(text: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split())


# ------------------------------------------------------------------------------------------------ tasks


def _tasks(tasks: Collection) -> Iterator[str]:
    found = {name: tasks[name] for name in sorted(tasks.task_names)}
    flags = {name: _flags(task) for name, task in found.items()}
    shared = set.intersection(*(set(flags[name].items()) for name in ("build", "run", "report")))
    yield "## Tasks\n"
    yield "Options that `build`, `run`, `report` and most others share; given once, they hold for the line:\n"
    yield from _table(("option", "what"), *sorted((f"`{name}`", text) for name, text in shared))
    for name, task in found.items():
        words = "".join(f" {word.upper()}" for word in task.positional)
        yield f"### `invoke {name}{words}`\n\n{_first(task.body.__doc__)}\n"
        own = sorted((f"`{flag}`", text) for flag, text in set(flags[name].items()) - shared)
        if len(own) < len(flags[name]):
            yield f"Takes the shared options{' and' if own else '.'}\n"
        if own:
            yield from _table(("option", "what"), *own)


def _flags(task: Task[Any]) -> dict[str, str]:
    """The options of a task as they are typed, with their help; a positional word stands in capitals."""
    found = {}
    for argument in task.get_arguments():
        name = str(argument.name).replace("_", "-").strip("-")
        typed = name.upper() if argument.positional else f"--{name}"
        found[typed] = argument.help or ""
    return found


# ------------------------------------------------------------------------------------------ exit codes


def _codes() -> Iterator[str]:
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind)]
    told = {k.exit_code: _first(k.__doc__) for k in kinds if issubclass(k, errors.KitError)}
    rows = sorted((told | _OTHER_CODES).items())
    yield "## Exit codes\n"
    yield from _table(("code", "when"), ("0", "All is well."), *((str(code), text) for code, text in rows))


# ---------------------------------------------------------------------------------------------- matrix


def _matrix() -> Iterator[str]:
    yield "## matrix.toml\n"
    yield "Bold keys must be there. References from table to table are checked when the file is read.\n"
    hints = get_type_hints(Matrix)
    for field in dataclasses.fields(Matrix):
        kinds = [k for k in (hints[field.name], *get_args(hints[field.name])) if dataclasses.is_dataclass(k)]
        if kinds:
            [kind] = kinds
            named: dict[Any, str] = {dict: f"[{field.name}.NAME]", tuple: f"[[{field.name}]]"}
            title = named.get(getattr(hints[field.name], "__origin__", None), f"[{field.name}]")
            yield f"### `{title}`\n\n{inspect.cleandoc(kind.__doc__ or '')}\n"
            yield from _keys(schema(kind))


def _keys(found: Mapping[str, Any]) -> Iterator[str]:
    rows = []
    for name, facts in found["properties"].items():
        key = f"**`{name}`**" if name in found["required"] else f"`{name}`"
        rows.append((key, _type(facts), _rules(facts)))
    yield from _table(("key", "type", "allowed"), *rows)


def _type(facts: Mapping[str, Any]) -> str:
    inner = facts.get("additionalProperties")
    if facts["type"] == "array":
        return f"list of {_type(facts['items'])}"
    if inner:
        return f"table of {_type(inner)}"
    return str(facts["type"]).replace("object", "table")


def _rules(facts: Mapping[str, Any]) -> str:
    inner: Mapping[str, Any] = facts.get("items") or facts.get("additionalProperties") or {}
    allowed = facts.get("enum") or inner.get("enum") or ()
    told = [f"one of {', '.join(f'`{value}`' for value in allowed)}"] if allowed else []
    told += [f"at least {facts['minimum']}"] if "minimum" in facts else []
    told += [f"at most {facts['maximum']}"] if "maximum" in facts else []
    told += [f"matches `{facts['pattern']}`"] if "pattern" in facts else []
    told += [f"{facts['minItems']} or more"] if "minItems" in facts else []
    return ", ".join(told)


# ----------------------------------------------------------------------------------- claims and columns


def _claims(matrix: Matrix) -> Iterator[str]:
    found = catalogue.load(matrix)
    rows = [
        (f"`{name}`", claim.title, claim.section, expected(claim, found.tolerances[claim.tolerance]))
        for name, claim in found.claims.items()
    ]
    yield "## Claims\n"
    yield (
        "For `invoke claims --only NAME`; `reports/claims/claims.toml` quotes the paper and explains each.\n"
    )
    yield from _table(("name", "claim", "section", "expected"), *rows)


def _columns() -> Iterator[str]:
    yield "## Columns of `invoke export`\n"
    rows = [(f"`{c.name}`", c.type, c.unit, c.meaning, c.source) for c in columns()]
    yield from _table(("column", "type", "unit", "meaning", "from"), *rows)
