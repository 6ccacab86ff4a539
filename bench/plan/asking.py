"""What a run asks of LoadGen."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.plan.matrix import Load, Matrix, Profile


@dataclass(frozen=True)
class Asked(Load):
    """What LoadGen is asked to do in one round of a cell; durations and limits in seconds.

    `accuracy_reason` says why no accuracy is measured, None where it is. `seeds` are by LoadGen's names.
    """

    samples_per_query: int
    performance_samples: int
    accuracy_samples: int
    accuracy_reason: str | None
    accuracy_limit: float
    seeds: Mapping[str, int]

    def document(self) -> dict[str, Any]:
        """As keys, specs and results have it: the seeds beside the rest, none where none are set."""
        facts = dataclasses.asdict(self)
        seeds = facts.pop("seeds")
        return {**facts, **seeds}


@dataclass(frozen=True)
class Asking:
    """What a run asks of LoadGen: the profile, and what the weights and the data allow.

    `test_images` is how many the dataset has; `no_accuracy` says why none can be measured ("": it can).
    """

    matrix: Matrix
    profile: Profile
    test_images: int
    no_accuracy: str = ""

    def of(self, scenario: str) -> Asked:
        """What is asked of each cell of a scenario."""
        profile = self.profile
        reason = self.no_accuracy
        if not reason and scenario not in profile.accuracy_scenarios:
            reason = "the profile asks for none in this scenario"
        accuracy = min(profile.accuracy_samples or self.test_images, self.test_images)
        return Asked(
            **dataclasses.asdict(profile.scenarios[scenario]),
            samples_per_query=self.matrix.scenarios[scenario].samples_per_query,
            performance_samples=min(profile.performance_samples, self.test_images),
            accuracy_samples=0 if reason else accuracy,
            accuracy_reason=reason or None,
            accuracy_limit=profile.accuracy_limit,
            seeds={name: int(seed, 16) for name, seed in profile.seeds.items()},
        )
