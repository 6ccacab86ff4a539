"""What the kit says on the screen: one console for all rooms.

Whether it is a terminal or a log, and how wide, is asked once; a live bar and the lines printed beside it
must share a console, or the bar tears them apart.
"""

from __future__ import annotations

from rich.console import Console

CONSOLE = Console()


def say(words: str) -> None:
    """Print a line as it is: no markup, no colours for numbers, no break at the screen's edge."""
    CONSOLE.print(words, highlight=False, soft_wrap=True, markup=False)
