"""Weights from files, in the prepare environment: user's, torchvision's, Keras' and the ONNX model zoo's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from prepared import MATRIX, run

STATES = """
import json, re, sys, torch
from pathlib import Path
from bench.common.errors import ArtifactError
from bench.convert.models import definition, state

torch.manual_seed(0)
mobile, dense = definition.build("mobilenet_v2"), definition.build("densenet121").state_dict()
good = mobile.state_dict()
without = {name: tensor for name, tensor in good.items() if name != "features.0.0.weight"}
older = re.compile(r"(denselayer\\d+\\.(?:norm|relu|conv))([12])")
cases = {
    "plain": good,
    "no counters": {name: tensor for name, tensor in good.items() if "num_batches" not in name},
    "wrapped": {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in good.items()}},
    "half": {name: t.half() if t.is_floating_point() else t for name, t in good.items()},
    "missing": without,
    "unexpected": {**good, "extra.weight": torch.zeros(2)},
    "misshapen": {**good, "classifier.1.bias": torch.zeros(10)},
    "integers": {**good, "classifier.1.bias": torch.zeros(1000, dtype=torch.int8)},
    "not finite": {**good, "classifier.1.bias": torch.full((1000,), float("nan"))},
    "another": {older.sub(r"\\1.\\2", name): tensor for name, tensor in dense.items()},
    "module": mobile,
    "list": [1, 2],
    "empty": {},
}
found = {}
for name, content in cases.items():
    path = Path(f"{name}.pth")
    torch.save(content, path)
    try:
        loaded = state.from_file("mobilenet_v2", path)
        found[name] = float((loaded.classifier[1].weight - mobile.classifier[1].weight).abs().max())
    except ArtifactError as error:
        found[name] = str(error)
Path("page.pth").write_text("<html>")
Path("page.safetensors").write_text("<html>")
for name in ("page.pth", "page.safetensors", "gone.pt"):
    try:
        state.from_file("mobilenet_v2", Path(name))
    except ArtifactError as error:
        found[name] = str(error)
loaded = state.from_file("densenet121", Path("another.pth")).state_dict()
found["old names"] = all(torch.equal(loaded[name], dense[name]) for name in dense)
print(json.dumps(found))
"""


def test_a_file_is_loaded_or_every_mismatch_is_named(tmp_path: Path) -> None:
    found = run(STATES, folder=tmp_path)
    for name in ("plain", "no counters", "wrapped"):
        assert found[name] == 0, name
    assert 0 < found["half"] < 1e-3, "half precision is widened"
    assert found["old names"], "torchvision's DenseNet file is older than its module"
    for name, text in {
        "missing": "not the weights of torchvision's mobilenet_v2: missing features.0.0.weight (32, 3, 3, 3)",
        "unexpected": "unexpected extra.weight (2,)",
        "misshapen": "classifier.1.bias is (10,), expected (1000,)",
        "integers": "classifier.1.bias is torch.int8, expected torch.float32",
        "not finite": "classifier.1.bias has 1000 values that are not finite",
        "another": "this is densenet121: name it densenet121{.safetensors,.pth,.pt}",
        "module": "torch.save(model.state_dict(), ...)",
        "list": "holds list, not a state dict",
        "empty": "not a state dict",
        "page.pth": "not a file of plain tensors",
        "page.safetensors": "not a file of plain tensors",
        "gone.pt": "No such file",
    }.items():
        assert text in found[name], found[name]
        assert found[name].startswith(name.partition(".")[0]), "the file is named"
        assert len(found[name]) < 1500
    assert re.search(r"; and \d+ more\n", found["another"]), "the list is bounded"


PLACES = """
import contextlib, json, sys
from bench.convert import publishers

places = []
with contextlib.redirect_stdout(sys.stderr):
    publishers.locate(sys.argv[1], places.append)
print(json.dumps(places))
"""


def test_publishers_say_where_their_files_are(tmp_path: Path) -> None:
    wanted = ", ".join(
        f'{{"kind": "{kind}", "model": "{name}"}}' for kind in ("torch", "keras") for name in MATRIX.models
    )
    (tmp_path / "sources.json").write_text(f'{{"schema": 1, "wanted": [{wanted}]}}')
    places: list[dict[str, Any]] = run(PLACES, "sources.json", folder=tmp_path)
    assert len(places) == 2 * len(MATRIX.models)
    for place in places:
        assert place["url"].startswith("https://")
        assert place["url"].endswith(place["file"])
        if place["kind"] == "torch":  # torchvision names the file by the beginning of its hash
            pin = MATRIX.models[place["model"]].imagenet
            assert place["file"] == f"{place['model']}-{pin[:8]}.pth"
        else:
            assert place["file"].endswith("kernels.h5") or place["file"].endswith("_1.0_224.h5")


ONNX = """
import json
from pathlib import Path
import numpy as np, onnx, onnxruntime
import zoo_models
from bench.common.errors import ArtifactError
from bench.convert import zoo_onnx

found = {}
images = np.random.default_rng(2).normal(0, 1, (3, 3, 224, 224)).astype(np.float32)
for opset in (7, 12):
    source, target = Path(f"{opset}.onnx"), Path(f"{opset}-new.onnx")
    getattr(zoo_models, f"onnx_opset_{opset}")(source)
    zoo_onnx.modernise(source, target, 17)
    model = onnx.load(str(target))
    session = onnxruntime.InferenceSession(str(target))
    logits = session.run(["logits"], {"input": images})[0]
    found[opset] = {
        "opset": model.opset_import[0].version,
        "inputs": [(entry.name, entry.shape) for entry in session.get_inputs()],
        "difference": float(np.abs(logits - zoo_onnx.logits("any", source, images)).max()),
        "spread": float(logits.std()),
    }
Path("page.onnx").write_text("<html>")
try:
    zoo_onnx.modernise(Path("page.onnx"), Path("new.onnx"), 17)
except ArtifactError as error:
    found["page"] = str(error)
print(json.dumps(found))
"""


def test_old_onnx_files_become_models_of_today(tmp_path: Path) -> None:
    found = run(ONNX, folder=tmp_path)
    for opset in ("7", "12"):
        assert found[opset]["opset"] == 17
        assert found[opset]["inputs"] == [["input", ["batch", 3, 224, 224]]], "weights are no inputs"
        assert found[opset]["spread"] > 0.01
        assert found[opset]["difference"] < 1e-5
    assert "page.onnx: not an ONNX model" in found["page"]


KERAS = """
import json
from pathlib import Path
import numpy as np, tensorflow as tf
import zoo_models
from bench.common.errors import ArtifactError
from bench.convert import zoo_keras

found = {"adapters": {}}
for name in zoo_keras.KERAS:
    scale, shift, reverse = zoo_keras.adapter(name)
    found["adapters"][name] = [scale.tolist(), shift.tolist(), reverse]
path = Path("mobilenet.h5")
zoo_models.keras_weights("MobileNetV2", path)
zoo_keras.save("mobilenet_v2", path, 224, Path("saved"))
content = tf.lite.TFLiteConverter.from_saved_model("saved").convert()
images = np.random.default_rng(2).normal(0, 1, (2, 3, 224, 224)).astype(np.float32)
interpreter = tf.lite.Interpreter(model_content=content)
entry = interpreter.get_input_details()[0]["index"]
interpreter.resize_tensor_input(entry, (2, 224, 224, 3))
interpreter.allocate_tensors()
interpreter.set_tensor(entry, np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
interpreter.invoke()
logits = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
found["difference"] = float(np.abs(logits - zoo_keras.logits("mobilenet_v2", path, images)).max())
found["sums"] = logits.sum(1).tolist()
found["operators"] = sorted({entry["op_name"] for entry in interpreter._get_ops_details()})
try:
    zoo_keras.save("vgg19", path, 224, Path("other"))
except ArtifactError as error:
    found["other"] = str(error)
print(json.dumps(found))
"""


def test_keras_models_read_the_same_arrays_as_all_others(tmp_path: Path) -> None:
    found = run(KERAS, folder=tmp_path)
    scale, shift, reverse = found["adapters"]["mobilenet_v2"]  # pixels / 127.5 - 1
    assert scale == pytest.approx([2 * 0.229, 2 * 0.224, 2 * 0.225])
    assert shift == pytest.approx([2 * 0.485 - 1, 2 * 0.456 - 1, 2 * 0.406 - 1])
    assert not reverse
    scale, shift, reverse = found["adapters"]["vgg19"]  # BGR pixels less their means
    assert scale == pytest.approx([255 * 0.229, 255 * 0.224, 255 * 0.225])
    assert shift == pytest.approx(
        [255 * 0.485 - 123.68, 255 * 0.456 - 116.779, 255 * 0.406 - 103.939], abs=1e-4
    )
    assert reverse
    assert found["adapters"]["densenet121"] == [[1, 1, 1], [0, 0, 0], False]
    assert found["difference"] < 1e-3
    assert not all(total == pytest.approx(1) for total in found["sums"]), "logits, no probabilities"
    assert not {"SHAPE", "STRIDED_SLICE", "PACK"} & set(found["operators"]), "the delegate takes it whole"
    assert "not Keras Applications' weights of vgg19" in found["other"]
