"""The kit's command line on Invoke: options hold for a whole line, errors end it with their code."""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Call, Context, Executor, Exit, Task

from bench.common.errors import KitError, UsageError

if TYPE_CHECKING:
    from images.choosing.session import Session

ROOT = Path(__file__).resolve().parents[2]
FILTERS = ("framework", "model", "method", "scenario")
MANY = ("host", *FILTERS)  # options that take several values, comma-separated or repeated
SHARED = ("platform", "profile", "engine", "name", "weights", "dataset", "sweep", *MANY)
HELP = {
    "platform": "device to speak of; default: this machine (`invoke list` names them)",
    "profile": "how hard to measure: smoke, quick, thorough, paper-table1, mlperf-v2.1",
    "engine": "docker, native or auto (docker where an engine answers)",
    "host": "another machine's engine: ssh://user@name; repeated, the machines share the cells",
    "name": "name of the run, a folder of out/; default: <platform>-<profile> and what differs from it",
    "weights": "probe, imagenet, zoo or file:PATH (a state dict, or a folder of <model>.safetensors)",
    "dataset": "fashion-mnist, imagenet:PATH or folder:PATH",
    "sweep": "instead of the profile's cells: batch (Figure 6) or isa (Figure 7)",
    "framework": "only these, comma-separated or repeated",
    "model": "only these models",
    "method": "only these quantization methods",
    "scenario": "only these LoadGen scenarios",
}


class Line(Executor):
    """Runs one command line: an option given to one task holds for all of them.

    Invoke binds `--platform` to the task before it; `build run --platform rpi4` must not build
    for one platform and run for another. Errors of the kit end the line with their exit code.
    """

    def normalize(self, tasks: Any) -> list[Call]:
        """Spread the shared options over the calls; two different values are an error."""
        calls: list[Call] = super().normalize(tasks)
        with _errors():
            for call in calls:
                _check_positional(call)
            for option in SHARED:
                given = [c.kwargs[option] for c in calls if c.kwargs.get(option)]
                if any(value != given[0] for value in given):
                    values = " and ".join(repr(value) for value in given)
                    raise UsageError(f"--{option} is given twice on one line: {values}")
                for call in calls:
                    if given and option in call.kwargs:
                        call.kwargs[option] = given[0]
        return calls

    def execute(self, *tasks: Any) -> Any:
        """Run the tasks of one line in their order."""
        with _errors():
            return super().execute(*tasks)


def _check_positional(call: Call) -> None:
    """Invoke takes `verify --help` for an archive of that name."""
    for name in call.task.positional:
        value = call.kwargs.get(name)
        if isinstance(value, str) and value.startswith("-"):
            raise UsageError(
                f"{call.task.name} needs its {name.upper()} before {value}",
                remedy=f"invoke --help {call.task.name}",
            )


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except KitError as error:
        raise Exit(f"error: {error}", code=error.exit_code) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f"{error.filename}: " if error.filename else ""
        text = f"error: {where}{error.strerror}\n  -> free some space and run the same command again"
        raise Exit(text, code=9) from None
    except KeyboardInterrupt:
        raise Exit("stopped; what was measured is kept, the same command goes on", code=130) from None


@functools.cache
def _session(flags: tuple[tuple[str, Any], ...]) -> Session:
    """The session of these flags, opened once: the tasks of a line share it, and the engines it opens."""
    from images.choosing.session import Session  # late: `--list` and `--help` stay instant

    return Session.open(ROOT, dict(flags))


def no_flags() -> dict[str, Any]:
    """The shared options of a line that gives none of them."""
    return {**dict.fromkeys(SHARED, ""), **dict.fromkeys(MANY)}


def _fixed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def kit_task(**options: Any) -> Callable[[Callable[..., None]], Task[Any]]:
    """Make a task of a function of a Session; the shared options become its flags too."""

    def decorate(body: Callable[..., None]) -> Task[Any]:
        own = list(signature(body).parameters.values())[1:]

        def call(_: Context, **flags: Any) -> None:
            extra = {parameter.name: flags.pop(parameter.name) for parameter in own}
            body(_session(tuple((name, _fixed(value)) for name, value in flags.items())), **extra)

        flag = Parameter.POSITIONAL_OR_KEYWORD
        shared = [Parameter(n, flag, default=None if n in MANY else "") for n in SHARED]
        call.__signature__ = Signature([Parameter("_", flag), *shared, *own])  # type: ignore[attr-defined]
        call.__doc__, call.__name__ = body.__doc__, body.__name__
        texts = {**HELP, **options.pop("help", {})}
        return Task(call, iterable=list(MANY), help=texts, auto_shortflags=False, **options)

    return decorate
