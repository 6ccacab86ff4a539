"""claims.toml as frozen dataclasses, strictly validated, and the comparisons a claim stands on.

Read like matrix.toml (bench/plan/tables.py): every error names the file, the claim, the key and the value.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from bench.common.errors import MatrixError, unknown
from bench.plan.matrix import Matrix
from bench.plan.tables import Place, read, rule
from bench.runtimes.isa import NATIVE
from reports.run.results import BASELINE

FILE = Path(__file__).with_name("claims.toml")
#: Metrics in points of top-1; every other metric is a ratio.
ACCURACY = ("top1", "top1-change")


@dataclass(frozen=True)
class Tolerance:
    """How far from the value an estimate may lie, and why.

    `share` is a share of the value (0.15 is 15 %); of accuracy metrics a difference of shares.
    """

    share: Annotated[float, rule(minimum=0)]
    why: str


@dataclass(frozen=True)
class Against:
    """What the subject of a claim is compared with: what is given here takes the place of the subject's."""

    frameworks: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    batches: tuple[int, ...] = ()
    isas: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper that a number can settle.

    `platforms` are the devices it speaks of (none: any). `metric` of the subject (every combination of
    `frameworks`, `models`, `methods`, `scenarios`, `batches`, `isas` that can exist) is divided by that
    of what it is `against`: "speed" (samples/s, or one over the latency that the scenario reports),
    "speedup" (the speed over the same framework's FP32), "size" and "memory" (bytes); or subtracted:
    "top1", and "top1-change" (from the own FP32). `of` says which comparison decides: each, the largest
    or smallest estimate, or the trend over `batches` (then the estimate is the share of pairs of batches in
    which the larger has the larger metric). The estimate is expected near, above or below `value`.
    `batches` and `isas` are cells of the `sweep`; without it they are the platform's. `needs` is an
    instruction set without which the claim says nothing about a machine.
    """

    title: str
    quote: str
    section: str
    platforms: tuple[str, ...]
    metric: Annotated[str, rule(enum=["speed", "speedup", "size", "memory", *ACCURACY])]
    frameworks: Annotated[tuple[str, ...], rule(minItems=1)]
    models: Annotated[tuple[str, ...], rule(minItems=1)]
    methods: Annotated[tuple[str, ...], rule(minItems=1)]
    scenarios: Annotated[tuple[str, ...], rule(minItems=1)]
    expect: Annotated[str, rule(enum=["near", "above", "below"])]
    value: float
    tolerance: str
    against: Against = Against()
    of: Annotated[str, rule(enum=["every", "largest", "smallest", "trend"])] = "every"
    figure: str = ""
    reading: str = ""
    sweep: str = ""
    batches: Annotated[tuple[int, ...], rule(items={"minimum": 1})] = ()
    isas: tuple[str, ...] = ()
    needs: str = ""


def margin(claim: Claim, tolerance: Tolerance) -> float:
    """Return how far from the value an estimate may lie, in its own unit."""
    return tolerance.share * (1.0 if claim.metric in ACCURACY else abs(claim.value))


@dataclass(frozen=True)
class Quote:
    """The paper's words and where they stand."""

    text: str
    place: str


@dataclass(frozen=True)
class Inconsistency:
    """Where the paper does not agree with itself: its words, what is wrong, and what the kit does."""

    title: str
    quotes: Annotated[tuple[Quote, ...], rule(minItems=1)]
    problem: str
    kit: str


@dataclass(frozen=True)
class ClaimFile:
    """The whole of claims.toml."""

    schema: Annotated[int, rule(enum=[1])]
    tolerances: dict[str, Tolerance]
    claims: dict[str, Claim]
    inconsistency: tuple[Inconsistency, ...] = ()


class Want(NamedTuple):
    """A cell as a claim names it: `batch` 0 and `isa` "" are whatever the platform has."""

    framework: str
    model: str
    method: str
    scenario: str
    batch: int = 0
    isa: str = ""

    @property
    def baseline(self) -> Want:
        """The same cell of the same framework's FP32."""
        return self._replace(method=BASELINE)


def load(matrix: Matrix, path: Path = FILE) -> ClaimFile:
    """Read and validate `path`; raise MatrixError naming file, claim, key and value."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MatrixError(f"not TOML: {error}", where=str(path)) from None
    return parse(data, matrix, path.name)


def parse(data: Mapping[str, Any], matrix: Matrix, file: str = "claims.toml") -> ClaimFile:
    """Validate an already parsed file against itself and the matrix; `file` is only used in messages."""
    found = read(ClaimFile, data, Place(file))
    for name, claim in found.claims.items():
        place = Place(file, f"claims.{name}")
        for key, kind, names, known in _references(claim, found, matrix):
            for one in names:
                if one not in known:
                    place.into(key).fail(unknown(kind, one, known))
        _check(claim, matrix, place)
    return found


def comparisons(claim: Claim, matrix: Matrix) -> tuple[tuple[Want, ...], ...]:
    """Return the cells of each comparison: the subject and what it is against, or one a batch for a trend.

    A combination that cannot exist (Table III) is none, and no subject is compared with another one.
    """
    subjects = _wants(claim, matrix, Against())
    if claim.of == "trend":
        lines: dict[Want, list[Want]] = {}
        for one in subjects:
            lines.setdefault(one._replace(batch=0), []).append(one)
        return tuple(tuple(line) for line in lines.values())
    return tuple(
        (one, other)
        for one in subjects
        for other in _wants(_at(one), matrix, claim.against)
        if other not in subjects
    )


def cells(claim: Claim, group: tuple[Want, ...]) -> tuple[Want, ...]:
    """Return the cells that one comparison is measured with: its own, and FP32 where the metric needs it."""
    if claim.metric not in ("speedup", "top1-change"):
        return group
    return tuple(dict.fromkeys(one for want in group for one in (want, want.baseline)))


def _at(want: Want) -> Against:
    batches = (want.batch,) if want.batch else ()
    isas = (want.isa,) if want.isa else ()
    return Against((want.framework,), (want.model,), (want.method,), (want.scenario,), batches, isas)


def _wants(subject: Claim | Against, matrix: Matrix, against: Against) -> list[Want]:
    return [
        Want(framework, model, method, scenario, batch, isa)
        for framework, model, method, scenario, batch, isa in product(
            against.frameworks or subject.frameworks,
            against.models or subject.models,
            against.methods or subject.methods,
            against.scenarios or subject.scenarios,
            against.batches or subject.batches or (0,),
            against.isas or subject.isas or ("",),
        )
        if matrix.reason_impossible(framework, method) is None
    ]


def _references(
    claim: Claim, found: ClaimFile, matrix: Matrix
) -> Iterator[tuple[str, str, Collection[str], Collection[str]]]:
    """Yield (key, what the names are, the names, those that exist), the sweep's own where there is one."""
    yield "tolerance", "tolerance", [claim.tolerance], found.tolerances
    yield "platforms", "platform", claim.platforms, matrix.platforms
    yield "needs", "instruction set", [claim.needs] if claim.needs else [], matrix.isas
    yield "sweep", "sweep", [claim.sweep] if claim.sweep else [], matrix.sweeps
    sweep = matrix.sweeps.get(claim.sweep)
    isas = sweep.isas if sweep else [NATIVE, *matrix.isas]
    sizes = [str(one) for one in sweep.batches] if sweep else []
    for prefix, part in (("", claim), ("against.", claim.against)):
        for key, kind in (
            ("frameworks", "framework"),
            ("models", "model"),
            ("methods", "method"),
            ("scenarios", "scenario"),
        ):
            yield prefix + key, kind, getattr(part, key), getattr(sweep or matrix, key)
        yield f"{prefix}isas", "instruction set", part.isas, isas
        yield f"{prefix}batches", "batch of the sweep", [str(one) for one in part.batches], sizes


def _check(claim: Claim, matrix: Matrix, place: Place) -> None:
    """A claim must be decidable: something to compare, and a metric that its kind can take."""
    if claim.of == "trend" and (len(claim.batches) < 3 or claim.metric != "speedup"):
        place.into("of").fail("a trend needs the metric speedup and three batches or more (value 'trend')")
    if not comparisons(claim, matrix):
        place.into("against").fail("nothing is left to compare", "see Table III in matrix.toml")
