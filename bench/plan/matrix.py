"""matrix.toml as frozen dataclasses, strictly validated.

The dataclasses are the only description of the file: bench.plan.reading checks a file against them, and
prints them as the JSON schema that editors use. Every error names the file, the
table, the key and the value, and suggests the nearest name for a typo.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from bench.convert import formats
from bench.convert.formats import Format
from bench.plan.published import Published
from bench.plan.tables import rule
from bench.runtimes.isa import NATIVE


@dataclass(frozen=True)
class Defaults:
    """What a command uses when a flag is left out."""

    platform: str
    profile: str
    stack: Annotated[str, rule(enum=["current"])]
    seed: Annotated[int, rule(minimum=0)]


@dataclass(frozen=True)
class Base:
    """What every image stands on: a registry reference by digest, else Debian packages.

    `snapshot` is the address of Debian's snapshot archive, asked for what no mirror of the host's apt has
    (any more). `exclude` are the paths that are left out of the packages, with dpkg's patterns.
    """

    suite: str
    packages: Annotated[tuple[str, ...], rule(minItems=1)]
    snapshot: Annotated[str, rule(pattern="^$|^https?://.*[^/]$")] = ""
    exclude: tuple[str, ...] = ()
    registry: Annotated[str, rule(pattern="^$|@sha256:[0-9a-f]{64}$")] = ""


@dataclass(frozen=True)
class LoadGen:
    """LoadGen's source and what compiles it, where no wheel is published."""

    source: Annotated[tuple[str, ...], rule(minItems=1)]


@dataclass(frozen=True)
class Wheels:
    """What is dropped from the unpacked wheels of every image (globs); packages' own indexes, by name.

    A package's own index is asked for what the user's does not have: it alone has local versions ("+cpu").
    """

    exclude: tuple[str, ...] = ()
    indexes: dict[str, str] = field(default_factory=dict)


def _bytes(text: str) -> int:
    """The bytes of "8GiB" or "1200MiB"."""
    return int(text[:-3]) << (30 if text.endswith("GiB") else 20)


@dataclass(frozen=True)
class Platform:
    """A device the results speak of (paper, Table IV).

    `threads` 0 means every physical core the process may use; `memory` is what the device has; `isa` is the
    highest instruction set it has (one of `isas`), to which a better CPU is capped where a cap exists;
    `qemu_cpu` is the CPU model for emulated smoke runs.
    """

    description: str
    arch: Annotated[str, rule(enum=["any", "amd64", "arm64"])]
    offline_batch: Annotated[int, rule(minimum=1)]
    threads: Annotated[int, rule(minimum=0)]
    cpu: str = ""
    memory: Annotated[str, rule(pattern="^$|^[1-9][0-9]*(MiB|GiB)$")] = ""
    isa: str = NATIVE
    qemu_cpu: str = ""

    @property
    def memory_bytes(self) -> int | None:
        """The memory of the device in bytes, or None where the matrix does not say."""
        return _bytes(self.memory) if self.memory else None


@dataclass(frozen=True)
class Image:
    """One framework's container image: its pins, and what is dropped from its wheels.

    In a loaded matrix `exclude` begins with what every image drops, and `indexes` are `Wheels`'.
    """

    description: str
    arches: Annotated[tuple[str, ...], rule(items={"enum": ["amd64", "arm64"]}, minItems=1)]
    requirements: Annotated[tuple[str, ...], rule(minItems=1)]
    exclude: tuple[str, ...] = ()
    indexes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Need:
    """The instruction set (one of `isas`) without which a framework runs nothing, and what is known of it."""

    isa: str
    reason: str


@dataclass(frozen=True)
class Framework:
    """An inference framework: the format it runs, the image it lives in, the package whose version is told.

    Its code is the file of its name in bench/runtimes. `uncapped` says why no instruction-set cap can be put
    on it, where none can. `needs` is what a CPU must have, by architecture; `beyond_paper` are the
    architectures on which the paper did not measure it.
    """

    title: str
    format: str
    image: str
    package: str
    uncapped: str = ""
    needs: dict[str, Need] = field(default_factory=dict)
    beyond_paper: Annotated[tuple[str, ...], rule(items={"enum": ["amd64", "arm64"]})] = ()


@dataclass(frozen=True)
class Isa:
    """An instruction-set level; the table's order is ascending, architecture by architecture.

    `flags` are the CPU flags (Linux) of a CPU that has it, `environment` is, by framework, what caps
    that framework's kernels to this level; {} for a level that is only recognised, never a cap.
    """

    title: str
    flags: Annotated[tuple[str, ...], rule(minItems=1)]
    environment: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Model:
    """A network: `input` is one sample's shape (C, H, W); `profiles` are those that include it.

    `converting` is the largest resident set of a process that makes its artifacts, as measured; "" where that
    is not known. `imagenet` is the SHA-256 of torchvision's file (hex; the first 8 digits are what
    torchvision itself publishes), `zoo` what each format's own published file is (section III-B).
    """

    title: str
    gmacs: Annotated[float, rule(minimum=0)]
    input: Annotated[tuple[int, ...], rule(items={"minimum": 1}, minItems=3, maxItems=3)]
    classes: Annotated[int, rule(minimum=2)]
    converting: Annotated[str, rule(pattern="^$|^[1-9][0-9]*(MiB|GiB)$")] = ""
    profiles: tuple[str, ...] = ()
    imagenet: Annotated[str, rule(pattern="^$|^[0-9a-f]{8,64}$")] = ""
    zoo: dict[str, Published] = field(default_factory=dict)

    @property
    def converting_bytes(self) -> int:
        """What one of its converters takes of memory at most, in bytes; 0 where that is not known."""
        return _bytes(self.converting) if self.converting else 0


@dataclass(frozen=True)
class Method:
    """A quantization method (Table II).

    `precisions` are those in which its layers are expected to compute, as kernel evidence names them. The
    formats that offer it say so themselves (bench/convert/formats: Table III).
    """

    title: str
    bits: Annotated[int, rule(enum=[8, 16, 32])]
    kind: Annotated[str, rule(enum=["none", "dynamic", "static"])]
    symmetry: str
    precisions: Annotated[tuple[str, ...], rule(minItems=1)]


@dataclass(frozen=True)
class Impossible:
    """Why a framework x method cannot exist, though the framework's format has the method or beside that it
    has not; framework "*" speaks for all that are not named and whose format has not."""

    framework: str
    method: str
    reason: str


@dataclass(frozen=True)
class Scenario:
    """A LoadGen scenario; `samples_per_query` 0 means one query holds every sample (Offline)."""

    title: str
    samples_per_query: Annotated[int, rule(minimum=0)]
    metric: Annotated[str, rule(enum=["latency", "throughput"])]
    percentile: Annotated[int, rule(minimum=1, maximum=99)]


@dataclass(frozen=True)
class Load:
    """How LoadGen measures one scenario: durations in seconds; max_duration 0 means no limit.

    `min_queries` counts queries, in Offline samples. `percentile` is LoadGen's target.
    """

    min_queries: Annotated[int, rule(minimum=1)]
    min_duration: Annotated[float, rule(minimum=0)]
    max_duration: Annotated[float, rule(minimum=0)]
    percentile: Annotated[int, rule(minimum=1, maximum=99)]


@dataclass(frozen=True)
class Profile:
    """How hard to measure: weights, data, rounds, samples and LoadGen's settings by scenario.

    `accuracy_samples` 0 means the whole test split. `accuracy_limit` is how many seconds one accuracy
    run may take (fewer samples are answered where it would take longer), `cell_limit` how many one
    round of a cell may be predicted to take (it is left out, and said so, above that); 0: no limit.
    `seeds` are LoadGen's by its names, hexadecimal because TOML's integers end at 2^63: all three, or
    none where the default seed holds for them.
    """

    description: str
    weights: Annotated[str, rule(enum=["probe", "imagenet", "zoo"])]
    dataset: Annotated[str, rule(enum=["fashion-mnist"])]
    performance: bool
    rounds: Annotated[int, rule(minimum=1)]
    performance_samples: Annotated[int, rule(minimum=1)]
    accuracy_samples: Annotated[int, rule(minimum=0)]
    accuracy_limit: Annotated[float, rule(minimum=0)]
    cell_limit: Annotated[float, rule(minimum=0)]
    accuracy_scenarios: tuple[str, ...]
    scenarios: dict[str, Load]
    seeds: dict[str, Annotated[str, rule(pattern="^0x[0-9a-f]{16}$")]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sweep:
    """One dimension of a cell taken through its values, the others held fixed (Figures 6 and 7).

    `batches` are those of Offline (empty: the platform's), `isas` the caps ("native" for none; empty:
    the platform's). `accuracy` says whether each of its cells measures accuracy.
    """

    title: str
    models: Annotated[tuple[str, ...], rule(minItems=1)]
    frameworks: Annotated[tuple[str, ...], rule(minItems=1)]
    methods: Annotated[tuple[str, ...], rule(minItems=1)]
    scenarios: Annotated[tuple[str, ...], rule(minItems=1)]
    accuracy: bool
    batches: Annotated[tuple[int, ...], rule(items={"minimum": 1})] = ()
    isas: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matrix:
    """The whole of matrix.toml."""

    schema: Annotated[int, rule(enum=[1])]
    defaults: Defaults
    base: Base
    loadgen: LoadGen
    wheels: Wheels
    platforms: dict[str, Platform]
    images: dict[str, Image]
    frameworks: dict[str, Framework]
    isas: dict[str, Isa]
    models: dict[str, Model]
    methods: dict[str, Method]
    scenarios: dict[str, Scenario]
    profiles: dict[str, Profile]
    sweeps: dict[str, Sweep]
    impossible: tuple[Impossible, ...] = ()

    def method(self, name: str) -> dict[str, Any]:
        """A method as the specs of the bench name it: its table, and "name"."""
        return {"name": name, **asdict(self.methods[name])}

    def format_of(self, framework: str) -> Format:
        """What the format that a framework runs declares."""
        return formats.declared()[self.frameworks[framework].format]

    def reason_impossible(self, framework: str, method: str) -> str | None:
        """Return why this framework x method cannot exist, or None if it can (Table III)."""
        given = {row.framework: row.reason for row in self.impossible if row.method == method}
        if framework in given:
            return given[framework]
        if method in self.format_of(framework).methods:
            return None
        facts = self.frameworks[framework]
        return given.get("*", f"{facts.title} runs {facts.format} files, and none is made by {method}")
