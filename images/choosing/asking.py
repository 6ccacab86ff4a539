"""What a run asks of LoadGen."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from bench.plan.matrix import Matrix, Profile


@dataclass(frozen=True)
class Asking:
    """What a run asks of LoadGen: the profile, and what the weights and the data allow.

    `test_images` is how many the dataset has; `no_accuracy` says why none can be measured ("": it can).
    """

    matrix: Matrix
    profile: Profile
    test_images: int
    no_accuracy: str = ""

    def of(self, scenario: str) -> dict[str, Any]:
        """What LoadGen is asked to do in one round of a cell; durations and limits in seconds."""
        profile = self.profile
        reason = self.no_accuracy
        if not reason and scenario not in profile.accuracy_scenarios:
            reason = "the profile asks for none in this scenario"
        return {
            **dataclasses.asdict(profile.scenarios[scenario]),
            "samples_per_query": self.matrix.scenarios[scenario].samples_per_query,
            "performance_samples": min(profile.performance_samples, self.test_images),
            "accuracy_samples": 0
            if reason
            else min(profile.accuracy_samples or self.test_images, self.test_images),
            "accuracy_reason": reason or None,
            "accuracy_limit": profile.accuracy_limit,
            **{name: int(seed, 16) for name, seed in profile.seeds.items()},
        }
