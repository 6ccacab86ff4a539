"""A run sorted for telling: settings, then variants (framework x method), then cells.

The order is the matrix's; names that the matrix does not know come last. Settings that differ in their
ISA cap alone are a family: one of them leads it and is told in full, the others are compared with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bench.plan.cells import Cell
from bench.plan.matrix import Matrix
from bench.runtimes.isa import NATIVE
from reports.run.results import BASELINE, Measured, NotMeasured, Run
from reports.run.wording import title, weights_label, weights_name
from reports.stats.paired_answers import Accuracy


@dataclass(frozen=True, order=True)
class Setting:
    """What is held fixed while frameworks and methods are compared."""

    platform: str
    stack: str
    model: str
    weights: str
    isa: str

    @property
    def family(self) -> Setting:
        """The same setting under any ISA cap."""
        return replace(self, isa="")


@dataclass(frozen=True)
class Variant:
    """A framework x method within a setting, with all its cells."""

    setting: Setting
    framework: str
    method: str
    framework_title: str
    measured: tuple[Measured, ...]
    missing: tuple[NotMeasured, ...]

    @property
    def name(self) -> str:
        """For example "ONNX Runtime INT8-SQ"."""
        return f"{self.framework_title} {self.method}"

    @property
    def accuracies(self) -> tuple[Accuracy, ...]:
        """The accuracies measured, one a scenario, in the order of the cells."""
        return tuple(one.accuracy for one in self.measured if one.accuracy)

    @property
    def why_missing(self) -> str:
        """Why this variant has no result at all."""
        return "; ".join(dict.fromkeys(f"{one.state}: {one.reason}" for one in self.missing))


@dataclass(frozen=True)
class Chapter:
    """All variants of one setting; `leads` where it is the one of its family to tell in full."""

    setting: Setting
    title: str
    dataset: str
    variants: tuple[Variant, ...]
    leads: bool

    @property
    def weights_label(self) -> str:
        """What every accuracy of this chapter speaks of."""
        return weights_label(self.setting.weights, self.dataset)

    @property
    def anchor(self) -> str:
        """An id for links, made of letters, digits and "-"."""
        parts = (self.setting.model, self.setting.weights, self.setting.stack, self.setting.isa)
        return "".join(c if c.isalnum() else "-" for c in "-".join(parts)).lower()

    def find(self, framework: str, method: str) -> Variant | None:
        """Return a variant, if it was planned."""
        found = [one for one in self.variants if (one.framework, one.method) == (framework, method)]
        return found[0] if found else None

    def baseline(self, framework: str) -> Variant | None:
        """Return the FP32 variant of `framework`, if it was planned."""
        return self.find(framework, BASELINE)


def setting_of(cell: Cell) -> Setting:
    """Return what is held fixed around `cell`."""
    return Setting(cell.platform, cell.stack, cell.model, cell.weights, cell.isa)


def chapters(run: Run, matrix: Matrix) -> tuple[Chapter, ...]:
    """Return the run's chapters, one a setting, in the matrix's order; the first of a family leads it."""
    measured: dict[tuple[Setting, str, str], list[Measured]] = {}
    missing: dict[tuple[Setting, str, str], list[NotMeasured]] = {}
    for one in run.measured:
        measured.setdefault(_key(one.cell), []).append(one)
    for lost in sorted(run.not_measured, key=lambda one: scenario_rank(matrix, one.cell)):
        if lost.cell:
            missing.setdefault(_key(lost.cell), []).append(lost)
    by_setting: dict[Setting, list[Variant]] = {}
    for key in sorted({*measured, *missing}, key=lambda key: _rank(matrix, key)):
        setting, framework, method = key
        by_setting.setdefault(setting, []).append(
            Variant(
                setting,
                framework,
                method,
                title(matrix.frameworks, framework),
                tuple(sorted(measured.get(key, ()), key=lambda one: scenario_rank(matrix, one.cell))),
                tuple(missing.get(key, ())),
            )
        )
    leaders: dict[Setting, Setting] = {}
    for setting in by_setting:
        leaders.setdefault(setting.family, setting)
    return tuple(
        Chapter(
            setting,
            _title(setting, matrix, by_setting),
            _dataset(variants),
            tuple(variants),
            leaders[setting.family] == setting,
        )
        for setting, variants in by_setting.items()
    )


def isa_rank(matrix: Matrix, isa: str) -> tuple[bool, int]:
    """Return the sort key of an ISA cap: ascending, no cap last."""
    return isa == NATIVE, _position(isa, matrix.isas)


def isa_title(matrix: Matrix, isa: str) -> str:
    """Return an ISA cap in words."""
    return "no cap" if isa == NATIVE else title(matrix.isas, isa)


def scenario_rank(matrix: Matrix, cell: Cell | None) -> tuple[int, int]:
    """Return the sort key of a cell within its variant: scenario, then batch; an unknown one first."""
    return (_position(cell.scenario, matrix.scenarios), cell.batch) if cell else (-1, 0)


def _key(cell: Cell) -> tuple[Setting, str, str]:
    return setting_of(cell), cell.framework, cell.method


def _rank(
    matrix: Matrix, key: tuple[Setting, str, str]
) -> tuple[int, Setting, bool, bool, int, int, int, str, str]:
    setting, framework, method = key
    platform = matrix.platforms.get(setting.platform)
    native, level = isa_rank(matrix, setting.isa)
    return (
        _position(setting.model, matrix.models),
        setting.family,
        # The leader: without a cap, else with the device's own, else with the highest.
        not native,
        platform is None or setting.isa != platform.isa,
        -level,
        _position(framework, matrix.frameworks),
        _position(method, matrix.methods),
        framework,
        method,
    )


def _position(name: str, names: Iterable[str]) -> int:
    order = list(names)
    return order.index(name) if name in order else len(order)


def _title(setting: Setting, matrix: Matrix, settings: Iterable[Setting]) -> str:
    """Return the model's title, with whatever of its setting is not the usual or not the only one."""
    unusual = []
    if setting.stack != matrix.defaults.stack:
        unusual.append(f"{setting.stack} stack")
    if len({one.weights for one in settings if one.model == setting.model}) > 1:
        unusual.append(weights_name(setting.weights))
    if setting.isa != NATIVE:
        unusual.append(f"capped to {isa_title(matrix, setting.isa)}")
    return ", ".join([title(matrix.models, setting.model), *unusual])


def _dataset(variants: Iterable[Variant]) -> str:
    names = dict.fromkeys(one.dataset for variant in variants for one in variant.measured)
    return ", ".join(names) or "no dataset yet"
