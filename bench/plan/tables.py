"""Frozen dataclasses from parsed TOML, and their JSON schema.

A field's type says what a key must be; `Annotated[int, rule(minimum=0)]` adds JSON-schema keywords.
The same declarations drive the reader and the schema, so the two cannot disagree by accident.
"""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar, cast

from bench.common.errors import MatrixError, unknown

T = TypeVar("T")
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a value stands: for the first half of every message."""

    file: str
    table: str = ""
    key: str = ""

    def into(self, key: str) -> Place:
        """The place of a key of the table that stands here."""
        return Place(self.file, ".".join(part for part in (self.table, self.key) if part), key)

    def fail(self, problem: str, remedy: str = "") -> NoReturn:
        """Raise MatrixError for the value that stands here."""
        name = ".".join(part for part in (self.table, self.key) if part)
        raise MatrixError(problem, where=f"{self.file}: {name}" if name else self.file, remedy=remedy)


def rule(**keywords: Any) -> Mapping[str, Any]:
    """JSON-schema keywords that a value must satisfy, beside its type."""
    return keywords


def read(cls: type[T], data: Any, place: Place) -> T:
    """Make a dataclass of a table. Raises MatrixError for an unknown, missing or wrong key."""
    if not isinstance(data, Mapping):
        place.fail(f"expected a table, got {data!r}")
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = {f.name: f for f in dataclasses.fields(cast(Any, cls))}
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in fields:
            place.into(key).fail(f"{unknown('key', key, fields)} (value {value!r})")
        values[key] = _value(hints[key], value, place.into(key))
    for name, declared in fields.items():
        if name not in values and _required(declared):
            place.into(name).fail("missing key", f"add `{name} = ...`")
    return cls(**values)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _split(hint: Any) -> tuple[Any, Mapping[str, Any]]:
    """Return a hint without its annotation, and the annotation's rules."""
    if typing.get_origin(hint) is typing.Annotated:
        plain, rules = typing.get_args(hint)
        return plain, rules
    return hint, {}


def _value(hint: Any, value: Any, place: Place) -> Any:
    hint, rules = _split(hint)
    if dataclasses.is_dataclass(hint):
        return read(cast("type[Any]", hint), value, place)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is dict:
        return _named_values(inner[1], value, place)
    if origin is tuple:
        return _list(inner[0], value, rules, place)
    return _scalar(hint, value, rules, place)


def _named_values(hint: Any, value: Any, place: Place) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        place.fail(f"expected a table, got {value!r}")
    for name in value:
        if not re.search(NAME, name):
            place.into(name).fail("a name has letters, digits, '.', '_' and '-' only")
    return {name: _value(hint, row, place.into(name)) for name, row in value.items()}


def _list(hint: Any, value: Any, rules: Mapping[str, Any], place: Place) -> Any:
    if not isinstance(value, list):
        place.fail(f"expected a list, got {value!r}")
    low, high = rules.get("minItems", 0), rules.get("maxItems", len(value))
    if not low <= len(value) <= high:
        place.fail(f"expected {low} or more values, got {len(value)}: {value!r}")
    items: list[Any] = []
    for number, item in enumerate(value):
        at = dataclasses.replace(place, key=f"{place.key}[{number}]")
        if dataclasses.is_dataclass(hint):
            items.append(read(cast("type[Any]", hint), item, at))
        else:
            items.append(_scalar(hint, item, rules.get("items", {}), at))
            if hint is str and item in value[:number]:
                place.fail(f"duplicate value {item!r}", "remove one of them")
    return tuple(items)


def _scalar(hint: Any, value: Any, rules: Mapping[str, Any], place: Place) -> Any:
    accepted = (int, float) if hint is float else (hint,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and hint is not bool):
        place.fail(f"expected {hint.__name__}, got {type(value).__name__} {value!r}")
    if "enum" in rules and value not in rules["enum"]:
        place.fail(unknown("value", str(value), map(str, rules["enum"])))
    if "minimum" in rules and not rules["minimum"] <= value <= rules.get("maximum", value):
        place.fail(f"{value!r} is out of range ({rules['minimum']} to {rules.get('maximum', '...')})")
    if "pattern" in rules and not re.search(rules["pattern"], str(value)):
        place.fail(f"{value!r} does not match {rules['pattern']}")
    return float(value) if hint is float else value


def schema(hint: Any) -> dict[str, Any]:
    """Return the JSON schema (draft 7) of a dataclass, or of one of its fields' types."""
    hint, rules = _split(hint)
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint, include_extras=True)
        required = [f.name for f in dataclasses.fields(hint) if _required(f)]
        properties = {f.name: schema(hints[f.name]) for f in dataclasses.fields(hint)}
        return {
            "type": "object",
            "additionalProperties": False,
            "required": required,
            "properties": properties,
        }
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is dict:
        names = {"pattern": NAME}
        return {"type": "object", "propertyNames": names, "additionalProperties": schema(inner[1])}
    if origin is tuple:
        own = {key: value for key, value in rules.items() if key != "items"}
        unique = {"uniqueItems": True} if inner[0] is str else {}
        return {"type": "array", "items": {**schema(inner[0]), **rules.get("items", {})}, **unique, **own}
    return {"type": TYPES[hint], **rules}
