"""What a figure of the paper is drawn from: a run, its device and chapters, and what they lack."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.device.environment import ARCHES
from bench.plan.matrix import Matrix
from reports.chapter.chapter_view import ChapterView
from reports.paper.printed import PaperFigure
from reports.run.command import measures
from reports.run.results import Run
from reports.run.wording import joined, title, value_range


@dataclass(frozen=True)
class Lack:
    """What a figure has no cells for, why (if it was asked for), and the command that measures it."""

    what: str
    why: str
    command: str


@dataclass(frozen=True)
class Source:
    """A run with the chapters that lead their families."""

    run: Run
    matrix: Matrix
    leads: tuple[ChapterView, ...]

    @classmethod
    def of(cls, run: Run, matrix: Matrix, found: Iterable[ChapterView]) -> Source:
        """Return the source that a run with these chapters is."""
        return cls(run, matrix, tuple(view for view in found if view.chapter.leads))

    @cached_property
    def arch(self) -> str:
        """The architecture that was measured, else the platform's; "" where neither tells."""
        machines = {str(one.environment["machine"]) for one in self.run.measured}
        platform = self.matrix.platforms.get(self.run.platform)
        host = str((self.run.facts.get("host") or {}).get("machine"))
        if len(machines) == 1:
            return ARCHES.get(machines.pop(), "")
        return platform.arch if platform and platform.arch != "any" else ARCHES.get(host, "")

    def here(self, shown: Iterable[ChapterView]) -> str:
        """Return device, weights of what is `shown`, and profile in one sentence."""
        places = [one.environment for one in self.run.measured]
        cpus, threads = (value_range(place[key] for place in places) for key in ("cpu_model", "threads"))
        labels = joined(dict.fromkeys(view.chapter.weights_label for view in shown))
        return f"{cpus} ({threads} threads); {labels or 'no weights yet'}; profile {self.run.profile}"

    def of_model(self, model: str) -> list[ChapterView]:
        """Return the chapters of a model."""
        return [view for view in self.leads if view.chapter.setting.model == model]

    def lack(
        self, paper: PaperFigure, models: Sequence[str], why: str, scenarios: str = ""
    ) -> tuple[Lack, ...]:
        """Return what `models` lack of a figure and how to measure it, as none or one."""
        if not models:
            return ()
        frameworks = paper.frameworks if len(paper.frameworks) < len(self.matrix.frameworks) else ()
        command = measures(
            self.run,
            self.matrix,
            self._platform(paper),
            models=() if paper.sweep else models,
            frameworks=frameworks,
            sweep=paper.sweep,
        )
        names = joined(title(self.matrix.models, model) for model in models)
        return (Lack(f"{names}{scenarios}", why, command),)

    def _platform(self, paper: PaperFigure) -> str:
        """The platform to measure `paper` on: this run's where the architecture is right."""
        if not paper.arch or paper.arch == self.arch:
            return self.run.platform
        return "rpi4" if paper.arch == "arm64" else "host"
