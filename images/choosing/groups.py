"""The cells of a plan that share an artifact."""

from __future__ import annotations

from dataclasses import dataclass

from bench.plan.cells import Cell, Plan
from bench.runtimes.isa import NATIVE


@dataclass(frozen=True)
class Group:
    """The cells that share one artifact and one instruction-set cap, hence one launch a round."""

    framework: str
    model: str
    method: str
    isa: str
    cells: tuple[Cell, ...]

    @property
    def label(self) -> str:
        """For messages: "openvino INT8-OM mobilenet_v2 AVX2"."""
        words = (self.framework, self.method, self.model, self.isa)
        return " ".join(word for word in words if word != NATIVE)


def groups(plan: Plan) -> list[Group]:
    """Gather the plan's cells by artifact and cap, in the plan's order."""
    gathered: dict[tuple[str, str, str, str], list[Cell]] = {}
    for cell in plan.cells:
        gathered.setdefault((cell.framework, cell.model, cell.method, cell.isa), []).append(cell)
    return [Group(*names, tuple(cells)) for names, cells in gathered.items()]
