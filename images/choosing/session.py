"""What one command line works on: the matrix, the chosen platform and profile, the plan.

Flags are resolved once, here, so that every task of a line sees the same choice.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.common.errors import UsageError, unknown
from bench.data import dataset as datasets
from bench.data.dataset import Dataset
from bench.plan import reading
from bench.plan.asking import Asking
from bench.plan.cells import Cell, Filters, Plan, plan
from bench.plan.matrix import Matrix, Platform, Profile
from bench.runtimes.isa import NATIVE
from images.choosing.weights import Weights, resolve
from images.choosing.workbench import Workbench
from images.engines.engine import Mount, Request
from images.making import lock
from images.workspace import Workspace


@dataclass(frozen=True)
class Session:
    """One command line, resolved: names are known to exist, defaults are filled in."""

    workspace: Workspace
    matrix: Matrix
    platform: str
    profile: str
    filters: Filters
    given: Mapping[str, str]  # --name, --weights and --dataset, "" where left out
    workbench: Workbench
    only: frozenset[Cell] = frozenset()  # these cells of the plan alone; empty: all of them

    @classmethod
    def open(cls, root: Path, flags: Mapping[str, Any]) -> Session:
        """Resolve the flags of a command line; raise UsageError for a name that does not exist."""
        matrix = reading.load(root / "matrix.toml")
        platform = flags["platform"] or matrix.defaults.platform
        profile = flags["profile"] or matrix.defaults.profile
        for kind, word, known in (
            ("platform", platform, matrix.platforms),
            ("profile", profile, matrix.profiles),
        ):
            if word not in known:
                raise UsageError(unknown(kind, word, known), where=f"--{kind}")
        workspace = Workspace(root)
        workbench = Workbench.resolve(matrix, workspace, flags["engine"] or "auto", _words(flags["host"]))
        name = flags["name"]
        if name and (name != Path(name).name or name.startswith(".")):
            raise UsageError(f"{name!r} is not a folder name", where="--name")
        frameworks, models, methods, scenarios = (
            _words(flags[kind]) for kind in ("framework", "model", "method", "scenario")
        )
        filters = Filters(frameworks, models, methods, scenarios, flags["sweep"])
        given = {kind: flags[kind] for kind in ("name", "weights", "dataset")}
        return cls(workspace, matrix, platform, profile, filters, given, workbench)

    @functools.cached_property
    def dataset(self) -> Dataset:
        """The dataset of this run, listed but not read."""
        return datasets.find(self.given["dataset"] or self.profile_facts.dataset)

    @functools.cached_property
    def weights(self) -> Weights:
        """The weights of this run's models: named and hashed, not fetched."""
        models = list(dict.fromkeys(cell.model for cell in self._planned(self.filters).cells))
        facts = self.matrix.models
        return resolve(
            self.given["weights"] or self.profile_facts.weights,
            models,
            {name: facts[name].imagenet for name in models if facts[name].imagenet},
            {name: facts[name].zoo for name in models if facts[name].zoo},
            self.workspace.cache,
        )

    @functools.cached_property
    def run_name(self) -> str:
        """The run's folder in out/: as given, else platform, profile and what is not the profile's own."""
        if self.given["name"]:
            return self.given["name"]
        parts = [self.platform, self.profile]
        parts += [self.weights.name] if self.given["weights"] else []
        parts += [self.dataset.label] if self.given["dataset"] else []
        return "-".join([*parts, self.filters.sweep] if self.filters.sweep else parts)

    @property
    def platform_facts(self) -> Platform:
        return self.matrix.platforms[self.platform]

    @property
    def profile_facts(self) -> Profile:
        return self.matrix.profiles[self.profile]

    @property
    def run_dir(self) -> Path:
        """Where the run's results, logs and report are."""
        return self.workspace.root / "out" / self.run_name

    @property
    def arch(self) -> str:
        """The architecture whose images run: the platform's, or for "any" that of the machine."""
        facts = self.platform_facts
        return self.workbench.machine.arch if facts.arch == "any" else facts.arch

    @property
    def emulated(self) -> bool:
        """Whether the platform's instructions are not the machine's own."""
        return self.arch != self.workbench.machine.arch or self.workbench.machine.emulated

    @property
    def performance(self) -> bool:
        """Whether this run's timings are shown as performance."""
        return self.profile_facts.performance and not self.emulated

    @property
    def threads(self) -> int:
        """The platform's threads, at most the cores a run may use."""
        cores = len(self.workbench.machine.cpus)
        return min(self.platform_facts.threads or cores, cores)

    @property
    def threads_why(self) -> str:
        """How `threads` came about, for who reads a result."""
        usable, wanted = self.workbench.machine, self.platform_facts.threads
        if 0 < wanted < len(usable.cpus):
            return f"as many as {self.platform} has ({usable.cpus_why})"
        return usable.cpus_why

    @functools.cached_property
    def plan(self) -> Plan:
        """The cells of this command line and what cannot be measured."""
        found = self._planned(dataclasses.replace(self.filters, weights=self.weights.labels))
        chosen = tuple(cell for cell in found.cells if cell in self.only or not self.only)
        return dataclasses.replace(found, cells=chosen)

    def _planned(self, filters: Filters) -> Plan:
        flags = () if self.emulated else self.workbench.machine.flags
        return plan(self.matrix, self.platform, self.profile, self.arch, filters, flags)

    @functools.cached_property
    def locks(self) -> dict[str, str]:
        """SHA-256 of the lock of each framework's image, by framework."""
        frameworks = self.matrix.frameworks
        return {
            name: lock.read(self.workspace.lock(frameworks[name].image, self.arch)).digest
            for name in dict.fromkeys(cell.framework for cell in self.plan.cells)
        }

    @property
    def asking(self) -> Asking:
        """What LoadGen is asked in this run."""
        return Asking(self.matrix, self.profile_facts, self.dataset.test, self._no_accuracy)

    @property
    def _no_accuracy(self) -> str:
        """Why this run measures no accuracy, "" where it does."""
        sweep = self.filters.sweep
        if sweep and not self.matrix.sweeps[sweep].accuracy:
            return f"the {sweep} sweep measures none"
        if (self.weights.source == "probe") != (self.dataset.name == "fashion-mnist"):
            return f"the {self.weights.source} weights do not know the classes of {self.dataset.name}"
        return ""

    def isa_environment(self, framework: str, isa: str) -> dict[str, str]:
        """The variables that cap a framework's kernels to an instruction set."""
        return {} if isa == NATIVE else self.matrix.isas[isa].environment[framework]

    def request(self, image: str, argv: Sequence[str], mounts: Sequence[Mount], timeout: float) -> Request:
        """A launch with this platform's cores, memory limit and, where emulated, CPU model."""
        return Request(
            image,
            self.arch,
            argv,
            mounts,
            cpus=self.workbench.machine.cpus[: self.threads],
            memory_bytes=self.platform_facts.memory_bytes,
            timeout_s=timeout,
            emulate_cpu=self.platform_facts.qemu_cpu if self.emulated else None,
        )

    def build(self, *, prepares: bool, quiet: bool = False) -> None:
        """Make the images or environments of this plan, if it `prepares` also the one that makes artifacts.

        `quiet` is for who builds in passing, as `run`.
        """
        used = {self.matrix.frameworks[cell.framework].image for cell in self.plan.cells}
        names = [name for name in self.matrix.images if name in used]
        self.workbench.build(self.arch, names, prepares=prepares, quiet=quiet)

    @property
    def existing_run(self) -> Path:
        """The run's folder; raises UsageError where there is none."""
        if not (self.run_dir / "run.json").exists():
            raise UsageError(
                f"there is no run '{self.run_name}' in out/", remedy="invoke run, or give its --name"
            )
        return self.run_dir


def _words(values: Sequence[str] | None) -> tuple[str, ...]:
    """Split "a,b" and repeated flags into names."""
    return tuple(word.strip() for value in values or () for word in value.split(",") if word.strip())
