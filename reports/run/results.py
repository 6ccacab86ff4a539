"""A run as typed facts: what was measured, and what was not and why. reading.py makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.device.watch import Mark
from bench.plan.cells import Absent, Cell
from reports.stats.paired_answers import Accuracy

BASELINE = "FP32"
FAILED = "failed"
NOT_REACHED = "not reached"
LEFT_OUT = "left out"


@dataclass(frozen=True)
class Memory:
    """A runtime's own memory, bytes: anonymous, above what the process had before it; without the samples."""

    loaded: int
    ran: int


@dataclass(frozen=True)
class Timing:
    """One round's figures: latencies in nanoseconds a query by name (p50, p90, ...), None in
    some scenarios; `rate` in samples a second; `early_ns` is LoadGen's early-stopping estimate; `mark` says
    that the machine was slowed meanwhile; `others` is the share of the cores' time that others took. `calls`
    are those of the model; `load_seconds` are to load and compile it, `first_seconds` its first call's."""

    number: int
    valid: bool
    reasons: tuple[str, ...]
    latency_ns: Mapping[str, float] | None
    rate: float
    early_ns: float | None
    peak_memory_bytes: int | None
    mark: Mark | None
    queries: int
    samples: int
    calls: int
    load_seconds: float
    first_seconds: float | None = None
    memory: Memory | None = None
    machine: str = ""
    others: float | None = None


@dataclass(frozen=True)
class Agreement:
    """Outputs against the FP32 reference outputs; `sqnr_db` in dB, None when identical; KL in nats.

    Cosine, SQNR and KL are over `classes`, the dataset's, each image's mean taken away. Results of older
    kits have no KL, and the other two of all logits as they are: `classes` is 0 then. `logits_sha256` is of
    the outputs themselves, "" in the oldest.
    """

    samples: int
    max_abs_diff: float
    mean_cosine: float
    worst_cosine: float
    top1_agreement: float
    sqnr_db: float | None
    logits_sha256: str = ""
    classes: int = 0
    mean_kl: float | None = None
    worst_kl: float | None = None


@dataclass(frozen=True)
class Measured:
    """A cell with a result. `timings` is empty where timings are not performance.

    The mappings are those of bench/store/result.schema.json; `machine_states` has "before", "during" and
    "after" of every round.
    """

    cell: Cell
    dataset: str
    performance: bool
    rounds: int
    rounds_planned: int
    queries: int
    samples: int
    asked: Mapping[str, Any]
    used: Mapping[str, Any]
    timings: tuple[Timing, ...]
    accuracy: Accuracy | None
    accuracy_reason: str
    agreement: Agreement | None
    agreement_reason: str
    artifact: Mapping[str, Any]
    environment: Mapping[str, Any]
    versions: Mapping[str, str]
    seeds: Mapping[str, int]
    evidence: Mapping[str, Any]
    machine_states: tuple[Mapping[str, Any], ...]
    key: str


@dataclass(frozen=True)
class NotMeasured:
    """A planned cell without a usable result; `state` is FAILED, NOT_REACHED or LEFT_OUT (the run
    meant not to measure it, for the reason given)."""

    cell: Cell | None
    id: str
    state: str
    reason: str


@dataclass(frozen=True)
class Failure:
    """A launch that failed; its cell may have results from other rounds."""

    id: str
    round: int | None
    reason: str


@dataclass(frozen=True)
class Run:
    """All that one run directory says. `facts` is run.json as written."""

    path: Path
    name: str
    platform: str
    profile: str
    performance: bool
    complete: bool
    facts: Mapping[str, Any]
    measured: tuple[Measured, ...]
    not_measured: tuple[NotMeasured, ...]
    unplanned: tuple[str, ...]
    absent: tuple[Absent, ...]
    failures: tuple[Failure, ...]

    @property
    def planned(self) -> int:
        """How many cells the run set out to measure."""
        return len(self.measured) - len(self.unplanned) + len(self.not_measured)

    @property
    def lost(self) -> tuple[NotMeasured, ...]:
        """The planned cells that should have a result and have none."""
        return tuple(one for one in self.not_measured if one.state != LEFT_OUT)

    @property
    def left_out(self) -> tuple[NotMeasured, ...]:
        """The planned cells that the run meant not to measure."""
        return tuple(one for one in self.not_measured if one.state == LEFT_OUT)


@dataclass(frozen=True)
class Beside:
    """The run of a sweep beside a run; None where none can stand in, and why ("" where none is there)."""

    run: Run | None
    why: str = ""
