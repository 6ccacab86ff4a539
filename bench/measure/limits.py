"""How many samples a cell can afford outside its timed run; the planner predicts by the same rule."""

from __future__ import annotations

#: The comparison with the reference may take this share of a profile's accuracy_limit.
AGREEMENT_SHARE = 0.1


def affordable(samples: int, seconds_per_sample: float, limit: float) -> int:
    """`samples`, halved until they take at most `limit` seconds (0: no limit); at least one."""
    while limit and samples > 1 and samples * seconds_per_sample > limit:
        samples //= 2
    return samples
