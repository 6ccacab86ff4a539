"""Whether `./invoke build run` will work on this machine, how long it takes and what it needs.

What it needs was measured once (README): the default run, cold, takes 13 GB and, beside measuring, eleven
minutes on two cores. What is there already costs nothing, and measuring is predicted as `invoke list` does.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.common.errors import ArtifactError, BuildError, EngineError
from images.choosing.groups import groups
from images.choosing.session import Session
from images.choosing.workbench import Workbench
from images.engines import machine
from images.engines.emulation import Fact
from images.making.wheelhouse import site_of
from images.preparing.prepare import available
from images.preparing.room import too_large
from images.running import forecast
from images.workspace import size

IMAGES = 3.7e9  # bytes in the engine: five images
WHEELS, ARTIFACTS = 4.4e9, 4.9e9  # bytes in .cache: wheels and what they unpack to; artifacts and data
BUILDING, PREPARING = 120.0, 540.0  # seconds: the images, and all 36 artifacts


@dataclass(frozen=True)
class Footing:
    """What decides it. `engine` is "docker", "native" or "" for none; what is in the way of one is a finding
    with its remedy.

    `unmade` are the models with artifacts to make, `share` how many of all artifacts that is; `too_large`
    says why of those whose converters do not fit into memory; `cells` is the predicted time of measuring,
    None where another machine measures.
    """

    engine: str
    no_engine: Fact | None = None
    wheels: bool = False
    unmade: tuple[str, ...] = ()
    too_large: Mapping[str, str] = field(default_factory=dict)
    share: float = 1.0
    free: float = 100e9
    cells: float | None = 0.0

    @property
    def seconds(self) -> float:
        """How long `build run` takes, but for measuring elsewhere."""
        return (0 if self.wheels else BUILDING) + PREPARING * self.share + (self.cells or 0)

    @property
    def bytes(self) -> float:
        """What `build run` puts on the disk."""
        images = IMAGES if self.engine == "docker" else 0
        return (0 if self.wheels else WHEELS + images) + ARTIFACTS * self.share


def verdict(footing: Footing, command: str = "./invoke build run") -> str:
    """Say that `command` will work, how long and how much; raise the error that it would end in."""
    not_yet = f"`{command}` will not work here"
    if footing.no_engine:
        remedy = f"first {footing.no_engine.remedy}; then invoke doctor again"
        raise EngineError(f"{not_yet}: {footing.no_engine.value}", remedy=remedy)
    if footing.too_large:
        fits = [name for name in footing.unmade if name not in footing.too_large]
        others = f"{command} --model {','.join(fits)}, or " if fits else ""
        raise ArtifactError(
            f"{not_yet}: " + "; ".join(f"{name}: {why}" for name, why in footing.too_large.items()),
            remedy=f"{others}invoke models --import FILE with artifacts made elsewhere",
        )
    if footing.free < footing.bytes:
        raise BuildError(
            f"{not_yet}: it needs about {size(footing.bytes)} of disk, {size(footing.free)} are free",
            remedy="first free some, or invoke clean --everything",
        )
    minutes = f"about {max(1, round(footing.seconds / 60))} minutes"
    if footing.cells is None:
        minutes += " until it measures elsewhere"
    return f"`{command}` will work here: {footing.engine}, {minutes}, about {footing.bytes / 1e9:.0f} GB"


def look(session: Session, facts: Sequence[Fact], *, there: int, elsewhere: bool) -> Footing:
    """What this machine stands on: `facts` are doctor's, of which the first engine is this machine's own.

    `there` is the memory in bytes that converters may take.
    """
    engine, *others = [fact for fact in facts if fact.name == "container engine"]
    native = next(one for one in facts if one.name == "engine native")
    kind = "docker" if engine.status == "ok" else "native" if native.status == "ok" else ""
    trouble = [*(other for other in others if other.status != "ok"), *([] if kind else [engine])]
    if trouble:
        return Footing("", trouble[0])
    # this machine's own engine alone: nothing is asked of another to predict
    here = replace(session, workbench=Workbench(session.matrix, session.workspace, kind))
    workspace, images = here.workspace, here.matrix.images
    own = machine.local().arch
    names = [*{here.matrix.frameworks[cell.framework].image for cell in here.plan.cells}, "prepare"]
    sites = [site_of(workspace, name, images[name], own) for name in names if own in images[name].arches]
    everything, made = groups(here.plan), available(here)
    unmade = tuple(dict.fromkeys(group.model for group in everything if group not in made))
    return Footing(
        kind,
        None,
        all(site.is_dir() for site in sites),
        unmade,
        too_large(here.matrix, unmade, there),
        1 - len(made) / max(1, len(everything)),
        shutil.disk_usage(_existing(workspace.cache)).free,
        None if elsewhere else forecast.seconds(here, *forecast.affordable(here)),
    )


def _existing(path: Path) -> Path:
    return path if path.exists() else path.parent
