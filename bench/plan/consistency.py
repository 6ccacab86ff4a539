"""What one table of matrix.toml says of another: names that must exist, reasons that must be given."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from bench.common.errors import unknown
from bench.convert import formats
from bench.device.environment import MACHINES
from bench.measure.loadgen.settings import SEEDS
from bench.plan.matrix import Matrix
from bench.plan.tables import Place
from bench.runtimes.isa import NATIVE

#: (table, key, what the names are, the names, those that exist)
Reference = tuple[str, str, str, Iterable[str], Collection[str]]


def _references(matrix: Matrix) -> Iterator[Reference]:
    """Yield every list of names in one table that must exist in another."""
    isas = [NATIVE, *matrix.isas]
    yield "defaults", "platform", "platform", [matrix.defaults.platform], matrix.platforms
    yield "defaults", "profile", "profile", [matrix.defaults.profile], matrix.profiles
    for name, framework in matrix.frameworks.items():
        yield f"frameworks.{name}", "image", "image", [framework.image], matrix.images
        yield f"frameworks.{name}", "format", "format", [framework.format], formats.declared()
        for arch, need in framework.needs.items():
            yield f"frameworks.{name}.needs", "arch", "architecture", [arch], MACHINES
            yield f"frameworks.{name}.needs.{arch}", "isa", "instruction set", [need.isa], matrix.isas
    for name, platform in matrix.platforms.items():
        yield f"platforms.{name}", "isa", "instruction set", [platform.isa], isas
    for name, isa in matrix.isas.items():
        yield f"isas.{name}", "environment", "framework", isa.environment, matrix.frameworks
    for name, model in matrix.models.items():
        yield f"models.{name}", "profiles", "profile", model.profiles, matrix.profiles
        yield f"models.{name}", "zoo", "format", model.zoo, formats.declared()
    for name, declared in formats.declared().items():
        yield f"methods (of format {name})", "", "method", declared.methods, matrix.methods
    for name, profile in matrix.profiles.items():
        named = (*profile.accuracy_scenarios, *profile.scenarios)
        yield f"profiles.{name}", "scenarios", "scenario", named, matrix.scenarios
        yield f"profiles.{name}", "seeds", "seed", profile.seeds, SEEDS


def _references_of_rows(matrix: Matrix) -> Iterator[Reference]:
    """The same for the tables that name something of every kind."""
    for name, sweep in matrix.sweeps.items():
        table = f"sweeps.{name}"
        yield table, "models", "model", sweep.models, matrix.models
        yield table, "frameworks", "framework", sweep.frameworks, matrix.frameworks
        yield table, "methods", "method", sweep.methods, matrix.methods
        yield table, "scenarios", "scenario", sweep.scenarios, matrix.scenarios
        yield table, "isas", "instruction set", sweep.isas, [NATIVE, *matrix.isas]
    for i, row in enumerate(matrix.impossible):
        yield f"impossible[{i}]", "method", "method", [row.method], matrix.methods
        yield f"impossible[{i}]", "framework", "framework", [row.framework], ["*", *matrix.frameworks]


def check(matrix: Matrix, file: str) -> None:
    """Raise MatrixError for the first name, reason or cap that does not fit; `file` is for the message."""
    for table, key, kind, names, known in (*_references(matrix), *_references_of_rows(matrix)):
        for name in names:
            if name not in known:
                Place(file, table, key).fail(unknown(kind, name, known))
    for name, profile in matrix.profiles.items():
        for scenario in matrix.scenarios:
            if scenario not in profile.scenarios:
                Place(file, f"profiles.{name}.scenarios", scenario).fail("missing table")
        if 0 < len(profile.seeds) < len(SEEDS):
            Place(file, f"profiles.{name}", "seeds").fail(f"all of {', '.join(SEEDS)}, or none")
    _check_reasons(matrix, file)
    _check_caps(matrix, file)
    _check_published(matrix, file)


def _check_reasons(matrix: Matrix, file: str) -> None:
    """A framework x method has one reason at most why it cannot exist."""
    seen: set[tuple[str, str]] = set()
    for i, row in enumerate(matrix.impossible):
        place = Place(file, f"impossible[{i}]")
        if (row.framework, row.method) in seen:
            place.fail(f"duplicate of {row.framework} x {row.method}")
        seen.add((row.framework, row.method))


def _check_caps(matrix: Matrix, file: str) -> None:
    """Every framework is either capped at every level that has a cap, or says why it cannot be."""
    caps = {name: isa.environment for name, isa in matrix.isas.items() if isa.environment}
    for name, framework in matrix.frameworks.items():
        capped = [level for level, environment in caps.items() if name in environment]
        place = Place(file, f"frameworks.{name}", "uncapped")
        if framework.uncapped and capped:
            place.fail(f"isas.{capped[0]}.environment caps it")
        missing = [level for level in caps if level not in capped]
        if not framework.uncapped and missing:
            place.fail(
                f"isas.{missing[0]}.environment does not cap it and nothing says why",
                f'add it there, or `uncapped = "why it cannot be capped"` to frameworks.{name}',
            )


def _check_published(matrix: Matrix, file: str) -> None:
    """Every published file has a hash, and an address where no package of its publisher knows it."""
    for name, model in matrix.models.items():
        for format_, published in model.zoo.items():
            place = Place(file, f"models.{name}.zoo", format_)
            if published.kind != "torch" and not (published.sha256 or published.md5):
                place.fail("no hash says why the file should be believed", "add its sha256")
            if published.kind == "onnx" and not published.url:
                place.fail("no url says where the file is", "add its url")
            if published.kind == "torch" and not model.imagenet:
                place.fail(f"models.{name}.imagenet, which has the hash, is missing")
