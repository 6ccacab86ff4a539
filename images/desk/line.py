"""The kit's command line on Invoke: options hold for a whole line, errors end it with their code."""

from __future__ import annotations

import functools
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Argument, Call, Context, Executor, Exit, ParseError, ParserContext, Program, Task

from bench.common.errors import KitError, OutsideError, UsageError, outside, unknown

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
OVERVIEW = """\
./invoke build run            build, prepare, measure, write out/host-quick/report.html
./invoke doctor               what this machine lacks, and how long that will take
./invoke claims --list        the paper's claims; ./invoke claims judges them
./invoke reproduce SET        measure a published set again, and say which cells agree
./invoke help TASK            what a task does, and its options
"""


class Line(Executor):
    """Runs one command line: an option given to one task holds for all of them.

    Invoke binds `--platform` to the task before it; `build run --platform rpi4` must not build
    for one platform and run for another. Errors of the kit end the line with their exit code.
    """

    def normalize(self, tasks: Any) -> list[Call]:
        """Spread the shared options over the calls; two different values are an error."""
        calls: list[Call] = super().normalize(tasks)
        with told_errors():
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
        with told_errors():
            return super().execute(*tasks)


def arranged(words: Sequence[str], contexts: Mapping[str, ParserContext], core: ParserContext) -> list[str]:
    """The words of a line, each option moved to a task that knows it; Invoke wants it right behind that.

    Raises UsageError for a task or an option that does not exist, with the nearest match.
    """
    tasks: list[tuple[ParserContext, list[str]]] = []
    astray: list[list[str]] = []
    front: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        here, taken = tasks[-1] if tasks else (None, front)
        if word.startswith("-") and len(word) > 1:
            flag = word.partition("=")[0]
            near = [one for one in (here, *contexts.values(), core) if one and _knows(one, flag)]
            if not near:
                raise UsageError(_no_option(flag, here, contexts), remedy="invoke help, or invoke help TASK")
            option = [word]
            if rest and "=" not in word and flag in near[0].flags and _needs_value(near[0].flags[flag]):
                option.append(rest.pop(0))
            (taken if near[0] in (here, core) else _new(astray)).extend(option)
        elif here and _awaits(here, taken):
            taken.append(word)
        elif word in contexts:
            tasks.append((contexts[word], [word]))
        else:
            raise UsageError(unknown("task", word, contexts), remedy="invoke help")
    for option in astray:
        home = next((taken for task, taken in tasks if _knows(task, option[0].partition("=")[0])), None)
        if home is None:
            told = " and ".join(str(task.name) for task, _ in tasks) or "a line without a task"
            raise UsageError(f"{option[0]} is no option of {told}", remedy="invoke help TASK")
        home += option
    return front + [word for _, taken in tasks for word in taken]


def _new(lists: list[list[str]]) -> list[str]:
    lists.append([])
    return lists[-1]


def _knows(context: ParserContext, flag: str) -> bool:
    return flag in context.flags or flag in context.inverse_flags


def _needs_value(argument: Argument) -> bool:
    return argument.takes_value and not argument.optional


def _awaits(context: ParserContext, taken: Sequence[str]) -> bool:
    """Whether the task still lacks a positional word; `taken` are its words so far, its name first."""
    given, skip = 0, False
    for word in taken[1:]:
        if skip:
            skip = False
        elif word.startswith("-") and len(word) > 1:
            skip = "=" not in word and word in context.flags and _needs_value(context.flags[word])
        else:
            given += 1
    return given < len(context.positional_args)


def _no_option(flag: str, here: ParserContext | None, contexts: Mapping[str, ParserContext]) -> str:
    known = {name for one in ([here] if here else contexts.values()) for name in one.flags}
    return unknown("option", flag, (name for name in known if name.startswith("--")))


class Door(Program):
    """Invoke's program with the kit's way of words: help and options in any place, typos by name."""

    def parse_core(self, argv: list[str] | None) -> None:
        """`help TASK`, and `TASK --help` whatever else the task needs, are Invoke's `--help TASK`."""
        words = list(sys.argv[1:] if argv is None else argv[1:])
        if words and words[0] == "help":
            words = ["--help", *words[1:2]]
        elif {"--help", "-h"} & set(words) and not words[0].startswith("-"):
            words = ["--help", words[0]]
        super().parse_core(["invoke", "--search-root", str(ROOT), *words])

    def parse_collection(self) -> None:
        """Load the tasks; the overview names them, where Invoke's own shows its options only."""
        wish = self.args.help
        asked = wish.value
        wish.set_value(None, cast=False)
        super().parse_collection()
        wish.set_value(asked, cast=False)

    def parse_tasks(self) -> None:
        """Put each option where Invoke seeks it; what it cannot make sense of is a UsageError."""
        contexts = {str(one.name): one for one in self._make_parser().contexts.values()}
        with told_errors():
            asked = self.args.help.value
            if isinstance(asked, str) and asked not in contexts:
                raise UsageError(unknown("task", asked, contexts), remedy="invoke help")
            self.core.unparsed = arranged(self.core.unparsed, contexts, self.core[0])
            try:
                super().parse_tasks()
            except ParseError as error:
                name = f" {error.context.name}" if error.context and error.context.name else " TASK"
                raise UsageError(str(error), remedy=f"invoke help{name}") from None
            except ValueError as error:  # "could not convert string to float: 'x'"
                raise UsageError(f"an option wants a number: {error}", remedy="invoke help TASK") from None

    def print_help(self) -> None:
        """The overview: what most people want, and every task in a line."""
        print(OVERVIEW)
        width = max(map(len, self.collection.task_names))
        for name in sorted(self.collection.task_names):
            print(f"  {name:{width}}  {(self.collection[name].__doc__ or '').strip().splitlines()[0]}")
        print("\nOptions hold for the whole line, in any place. README.md says more.")


def main() -> None:
    """Run the command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal cannot show is a "?", no error
            stream.reconfigure(errors="replace")
    door = Door(version=version("invoke"), name="Invoke", binary="./invoke", binary_names=["invoke"])
    door.run()


@contextmanager
def told_errors() -> Iterator[None]:
    """End the process with one line, and a code of its own, for what the user or the outside world did."""
    try:
        yield
    except KitError as error:
        raise Exit(f"error: {error}", code=error.exit_code) from None
    except BrokenPipeError:  # `invoke list | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise Exit("", code=OutsideError.exit_code) from None
    except OSError as error:
        raise Exit(f"error: {outside(error)}", code=OutsideError.exit_code) from None
    except UnicodeError as error:
        told = OutsideError(f"not text in UTF-8: {error}", remedy="save the file as UTF-8, or rename it")
        raise Exit(f"error: {told}", code=told.exit_code) from None
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
