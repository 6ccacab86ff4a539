"""Whether `./invoke build run` will work on this machine, how long it takes and what it needs.

What it needs was measured once (README): the default run, cold, takes 13 GB and, beside measuring, eleven
minutes on two cores. What is there already costs nothing, and measuring is predicted as `invoke list` does.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.common.errors import ArtifactError, BuildError, EngineError
from images.choosing.groups import groups
from images.choosing.session import Session
from images.choosing.workbench import Workbench
from images.engines import machine
from images.engines.emulation import Fact
from images.making import base
from images.making.wheelhouse import site_of
from images.preparing.prepare import available
from images.running import forecast
from images.workspace import size

IMAGES = 3.7e9  # bytes in the engine: five images
WHEELS, ARTIFACTS = 4.4e9, 4.9e9  # bytes in .cache: wheels and what they unpack to; artifacts and data
BUILDING, PREPARING = 120.0, 540.0  # seconds: the images, and all 36 artifacts
MEMORY, SMALL_MEMORY = 9e9, 4e9  # bytes: preparing the three models at once, and MobileNetV2 alone
SMALL = "mobilenet_v2"


@dataclass(frozen=True)
class Footing:
    """What decides it. `engine` is "docker", "native" or "" for none; what is in the way of one, or of the
    images' base, is a finding with its remedy.

    `unmade` are the models with artifacts to make, `share` how many of all artifacts that is; `cells` is the
    predicted time of measuring, None where another machine measures.
    """

    engine: str
    no_engine: Fact | None = None
    no_base: Fact | None = None
    wheels: bool = False
    unmade: tuple[str, ...] = ()
    share: float = 1.0
    memory: float = 16e9
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
    if footing.no_base:
        why = f"{not_yet}: there is no {footing.no_base.name} to make the images' base with"
        raise BuildError(why, remedy=f"first {footing.no_base.remedy}")
    need = MEMORY if set(footing.unmade) - {SMALL} else SMALL_MEMORY
    if footing.unmade and footing.memory < need:
        smaller = f"{command} --model {SMALL} (about {size(SMALL_MEMORY)}), or " if need == MEMORY else ""
        fits = smaller if footing.memory >= SMALL_MEMORY else ""
        raise ArtifactError(
            f"{not_yet}: preparing the models needs about {size(need)} of memory, here are "
            f"{size(footing.memory)}",
            remedy=f"{fits}invoke models --import FILE with artifacts made elsewhere",
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


def look(session: Session, facts: Sequence[Fact], *, memory: float, elsewhere: bool) -> Footing:
    """What this machine stands on: `facts` are doctor's, of which the first engine is this machine's own."""
    engine, *others = [fact for fact in facts if fact.name == "container engine"]
    native, maker = (
        next(one for one in facts if one.name == name) for name in ("engine native", "mmdebstrap")
    )
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
    everything, there = groups(here.plan), available(here)
    layer = base.layer_of(here.matrix.base, own, workspace)
    return Footing(
        kind,
        None,
        None if kind == "native" or layer.is_file() or maker.status == "ok" else maker,
        all(site.is_dir() for site in sites),
        tuple(dict.fromkeys(group.model for group in everything if group not in there)),
        1 - len(there) / max(1, len(everything)),
        memory,
        shutil.disk_usage(_existing(workspace.cache)).free,
        None if elsewhere else forecast.seconds(here, *forecast.affordable(here)),
    )


def _existing(path: Path) -> Path:
    return path if path.exists() else path.parent
