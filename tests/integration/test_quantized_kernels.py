"""PyTorch's INT8-SQ on QNNPACK computes what was quantized; in the prepare environment, on this CPU."""

from __future__ import annotations

from pathlib import Path

from prepared import run

#: Blocks as MobileNetV2's: 1 x 1, depthwise and 1 x 1 convolutions with ReLU6, without and with an addition.
MODEL = """
import json, torch
import numpy as np
from torch import nn
from bench.common.errors import ArtifactError
from bench.convert.models import definition
from bench.convert.formats import torchscript

torch.manual_seed(0)
block = definition.torchvision_models().mobilenetv2.InvertedResidual
head = (nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 10))
model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), block(8, 8, 2, 6), block(8, 8, 1, 6), *head)
images = np.random.default_rng(0).normal(size=(16, 3, 16, 16)).astype(np.float32) * 4
with torch.no_grad():
    for _ in range(50):
        model.train()(torch.from_numpy(images))
model.eval()
torch.backends.quantized.engine = "qnnpack"
"""

KINDS = """
quantized = torchscript.quantize(model, "qnnpack", images)
inputs = torch.from_numpy(images)
with torch.inference_mode():
    fp32, found = model(inputs), quantized(inputs.contiguous(memory_format=torch.channels_last))
print(json.dumps({
    "noise": float(((found - fp32) ** 2).sum() / (fp32 ** 2).sum()),
    "modules": sorted({type(module).__name__ for module in quantized.modules()}),
}))
"""

UNFUSED = """
from torch.ao.quantization.backend_config import get_native_backend_config
torchscript._backend = lambda engine: get_native_backend_config()  # FX's default
try:
    torchscript.quantize(model, "qnnpack", images)
    print(json.dumps("accepted"))
except ArtifactError as error:
    print(json.dumps(str(error)))
"""


BYTES = """
import hashlib
from pathlib import Path
from types import SimpleNamespace
source = SimpleNamespace(module=model, calibration=images, scratch=Path("."))
torchscript.convert(source, "INT8-SQ", {"engine": "x86", "calibration_samples": 16}, Path("."))
print(json.dumps(hashlib.sha256(Path("model.pt").read_bytes()).hexdigest()))
"""


def test_torchscript_of_a_new_process_is_the_same_every_time(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    first, second = (run(MODEL + BYTES, folder=folder) for folder in folders)
    assert first == second


def test_qnnpack_computes_relu6_within_the_convolution(tmp_path: Path) -> None:
    found = run(MODEL + KINDS, folder=tmp_path)
    assert "ConvReLU2d" in found["modules"]
    assert "ReLU6" not in found["modules"], "QNNPACK's own clamp mixes up channels_last tensors"
    assert found["noise"] < 0.01, "8 bits leave more than 20 dB"


def test_kernels_that_compute_something_else_make_no_artifact(tmp_path: Path) -> None:
    found = run(MODEL + UNFUSED, folder=tmp_path)
    assert "qnnpack's kernels do not compute the quantized model" in found
