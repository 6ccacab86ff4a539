"""A model with the weights of a file: torchvision's own checkpoint, or a user's state dict."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from bench.common.errors import ArtifactError
from bench.convert.models import MODELS
from bench.convert.models.definition import build

State = Mapping[str, torch.Tensor]

_SHOWN = 8  # problems named in full; a wrong file has hundreds of them
_WRAPPERS = ("state_dict", "model_state_dict", "model")  # training scripts keep the state dict under these
_PREFIXES = ("module.", "_orig_mod.")  # of DataParallel and torch.compile
#: DenseNet's checkpoints are older than torchvision's rule against dots in a module's name.
_DENSE_LAYER = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")


def from_file(model: str, path: Path) -> nn.Module:
    """Return torchvision's `model` in eval mode with the weights of a .safetensors, .pth or .pt file.

    The file holds a state dict, bare or as training scripts wrap it; half precision is widened. Raises
    ArtifactError naming each missing, unexpected, misshapen, non-numeric or non-finite tensor, and the
    model the file does fit, if it fits another.
    """
    state = read(path)
    module = build(model)
    wrong = list(_differences(module.state_dict(), state))
    if wrong:
        problem = f"not the weights of torchvision's {model}: {_listed(wrong)}"
        raise ArtifactError(problem, where=str(path), remedy=_advice(model, state))
    useless = list(_useless(state))
    if useless:
        remedy = "the training diverged, or the file is damaged: get it again"
        raise ArtifactError(f"cannot be computed with: {_listed(useless)}", where=str(path), remedy=remedy)
    module.load_state_dict(state, strict=False)  # strict but for batch norm's counters, checked above
    return module.eval()


def read(path: Path) -> dict[str, torch.Tensor]:
    """Return the state dict in a file, out of its wrappers, with torchvision's present names.

    No code in the file is run. Raises ArtifactError for a file that cannot be read or holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            found: Any = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ArtifactError(f"cannot read weights: {error.strerror or error}", where=str(path)) from None
    except Exception as error:  # safetensors, zipfile, pickle and torch each have their own
        raise ArtifactError(
            f"not a file of plain tensors: {_line(error)}",
            where=str(path),
            remedy="save it with safetensors, or with torch.save(model.state_dict(), ...)",
        ) from error
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping) or not found:
        raise ArtifactError(f"holds {type(found).__name__}, not a state dict", where=str(path))
    strange = [str(name) for name, value in found.items() if not isinstance(value, torch.Tensor)]
    if strange:
        raise ArtifactError(
            f"not a state dict: {', '.join(strange[:_SHOWN])} hold no tensor", where=str(path)
        )
    return {_present_name(str(name)): tensor for name, tensor in found.items()}


def _line(error: Exception) -> str:
    """One line of an error; torch's own text about pickle advises to run the code that is in the file."""
    if isinstance(error, pickle.UnpicklingError):
        return "it is not torch's format, or holds Python objects besides tensors"
    return " ".join([type(error).__name__, *str(error).splitlines()[:1]])[:200]


def _listed(problems: Sequence[str]) -> str:
    more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    return "; ".join([*problems[:_SHOWN], *more])


def _present_name(name: str) -> str:
    for prefix in _PREFIXES:
        name = name[len(prefix) :] if name.startswith(prefix) else name
    old = _DENSE_LAYER.fullmatch(name)
    return f"{old[1]}{old[2]}" if old else name


def _differences(expected: State, state: State) -> Iterator[str]:
    """Name what a state dict lacks, has too much or in another shape or type."""
    for name in sorted(expected.keys() - state.keys()):
        if not name.endswith("num_batches_tracked"):  # inference never reads the counters
            yield f"missing {name} {tuple(expected[name].shape)}"
    for name in sorted(state.keys() - expected.keys()):
        yield f"unexpected {name} {tuple(state[name].shape)}"
    for name in sorted(expected.keys() & state.keys()):
        found, wanted = state[name], expected[name]
        if found.shape != wanted.shape:
            yield f"{name} is {tuple(found.shape)}, expected {tuple(wanted.shape)}"
        elif found.is_floating_point() != wanted.is_floating_point() or found.is_quantized:
            yield f"{name} is {found.dtype}, expected {wanted.dtype}"


def _useless(state: State) -> Iterator[str]:
    """Name tensors with values that no trained model has."""
    for name, tensor in sorted(state.items()):
        if not tensor.is_floating_point():
            continue
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            yield f"{name} has {bad} values that are not finite"
        elif name.endswith("running_var") and bool((tensor < 0).any()):
            yield f"{name} has negative variances"


def _advice(model: str, state: State) -> str:
    """Say which model a state dict is of, if it is of another one."""
    for other in MODELS:
        with torch.device("meta"):  # names and shapes, no numbers
            expected = build(other).state_dict()
        if other != model and not list(_differences(expected, state)):
            return f"this is {other}: name it {other}{{.safetensors,.pth,.pt}}, or measure --model {other}"
    return f"give a state dict of torchvision.models.{model}() with 1000 classes"
