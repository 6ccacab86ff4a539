"""Numbers and names as the report prints them; each function states the unit it takes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from reports.stats.by_round import Ratio

NOT_RECORDED = "not recorded"
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
SLOWED = "\N{BLACK DOWN-POINTING TRIANGLE}"  # before the word that says what slowed the machine
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def fixed(value: float, decimals: int) -> str:
    """Return `value` with a fixed number of decimals, so that a column aligns: 1,234.50."""
    return f"{value:,.{decimals}f}".replace("-", MINUS)


def decimals_for(values: Iterable[float]) -> int:
    """Return how many decimals give the smallest of `values` about three digits (at most 3)."""
    smallest = min((abs(value) for value in values if value), default=1.0)
    return min(3, max(0, 2 - math.floor(math.log10(smallest))))


def significant(value: float) -> str:
    """Return `value` with three significant digits: 0.0031, 0.918, 12.3, 1,234; powers of ten below 0.001."""
    if value and abs(value) < 0.001:
        digits, exponent = f"{value:.1e}".split("e")
        return f"{digits}{TIMES}10{str(int(exponent)).translate(SUPERSCRIPTS)}".replace("-", MINUS)
    if not value:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return fixed(value, decimals)


def ratio(value: float) -> str:
    """Return a ratio with two decimals and the sign "times"."""
    return f"{value:.2f}{TIMES}"


def speedup(value: Ratio) -> str:
    """Return a speedup with its interval in brackets; a single pair has no interval."""
    if value.low is None or value.high is None:
        return f"{ratio(value.value)} (one round: no interval)"
    return f"{ratio(value.value)} [{value.low:.2f}, {value.high:.2f}]"


def percent(share: float, decimals: int = 1) -> str:
    """Return a share (0 to 1) as per cent: 87.5 %."""
    return f"{fixed(100 * share, decimals)}\N{NO-BREAK SPACE}%"


def points(change: float) -> str:
    """Return a difference of shares as signed percentage points: +1.2; no sign where it rounds to 0."""
    told = f"{100 * change:+.1f}".replace("-", MINUS)
    return told[1:] if float(told[1:]) == 0 else told


def p_value(value: float) -> str:
    """Return a p-value with three decimals; "<0.001" below."""
    return "<0.001" if value < 0.0005 else f"{value:.3f}"


def megabytes(count: float) -> str:
    """Return bytes as MB (10^6 bytes, as in the paper): 13.9."""
    return fixed(count / 1e6, 1 if count >= 1e6 else 3)


def memory(count: Any) -> str:
    """Return bytes as GiB or MiB, for machines and processes."""
    if not isinstance(count, (int, float)):
        return NOT_RECORDED
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def moment(value: Any) -> str:
    """Return an ISO 8601 time as 2026-01-31 14:05 UTC, or the text itself if it is not one."""
    try:
        when = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return str(value) if value else NOT_RECORDED
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    return when.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def known(value: Any) -> str:
    """Return a fact as text; what is missing or empty was not recorded."""
    if value is None or value == "":
        return NOT_RECORDED
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def joined(words: Iterable[str]) -> str:
    """Return "a", "a and b", "a, b and c"."""
    parts = list(words)
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def value_range(values: Iterable[Any]) -> str:
    """Return the one value, or the range where they differ; an en dash where all are None."""
    found = [value for value in values if value is not None]
    different = list(dict.fromkeys(map(str, found)))
    if not different:
        return "\N{EN DASH}"
    if len(different) == 1:
        return different[0]
    if all(isinstance(value, int) for value in found):
        return f"{min(found):,} to {max(found):,}"
    if all(isinstance(value, (int, float)) for value in found):
        return f"{significant(min(found))} to {significant(max(found))}"
    return joined(sorted(different))


def counted(count: int, noun: str) -> str:
    """Return "1 cell", "2 cells"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def title(table: Mapping[str, Any], name: str) -> str:
    """Return the matrix's title of `name`; a name that the matrix no longer has stands for itself."""
    entry = table.get(name)
    return str(entry.title) if entry else name


def weights_name(weights: str) -> str:
    """Return a weights source in words: "ImageNet weights (torchvision IMAGENET1K_V1)"."""
    if weights == "imagenet":
        return "ImageNet weights (torchvision IMAGENET1K_V1)"
    if weights == "zoo":
        return "each framework's own zoo weights"
    if weights.startswith("file-"):
        return f"weights of a user's file (SHA-256 {weights.removeprefix('file-')}\N{HORIZONTAL ELLIPSIS})"
    return f"{weights} weights"


def dataset_name(dataset: str) -> str:
    """Return a dataset in words; one a user gave keeps the fingerprint that tells it from others."""
    if dataset == "fashion-mnist":
        return "Fashion-MNIST"
    kind, dash, fingerprint = dataset.partition("-")
    if dash and kind == "imagenet":
        return f"ImageNet validation images ({fingerprint})"
    if dash and kind == "folder":
        return f"a folder of images ({fingerprint})"
    return dataset


def weights_label(weights: str, dataset: str) -> str:
    """Return what an accuracy speaks of. Probe weights are never called ImageNet accuracy."""
    label = f"{weights_name(weights)} on {dataset_name(dataset)}"
    return f"{label}: not ImageNet accuracy" if weights == "probe" else label


FILTERS = {
    "fixed": fixed,
    "significant": significant,
    "ratio": ratio,
    "speedup": speedup,
    "percent": percent,
    "points": points,
    "p_value": p_value,
    "megabytes": megabytes,
    "memory": memory,
    "moment": moment,
    "known": known,
    "joined": joined,
    "counted": counted,
}


DISCLAIMER = "LoadGen-measured, not verified by MLCommons"
