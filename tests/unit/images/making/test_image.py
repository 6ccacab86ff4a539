"""Images as the kit writes them: what each instruction means, what is sent; the same gives the same."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from bench.common.errors import BuildError
from bench.plan import reading
from images.making import dockerfile, image
from images.making.image import ImageLayer, Written

MATRIX = reading.load(Path(__file__).parents[4] / "matrix.toml")
FILES = [("opt/", b""), ("opt/file", b"content")]
BASE = Written(
    {
        "architecture": "arm64",
        "os": "linux",
        "config": {"Env": ["PATH=/bin", "LANG=C.UTF-8"], "Cmd": ["python3"], "Labels": {"a": "base"}},
        "history": [{"created_by": "base"}],
    },
    (ImageLayer.of([("base", b"base")]),),
)


def built(text: str, **labels: str) -> Written:
    return image.build(BASE, text, {"site.tar": FILES}, labels)


def unpacked(found: Written, there: int = 0) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(found.archive("kit:test", there)))) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_instructions_mean_what_they_mean_to_a_builder() -> None:
    found = built(
        "# a comment\nARG BASE=x\nFROM ${BASE}\nADD site.tar /\nENV LANG=C \\\n    HOME=/tmp\nWORKDIR /tmp\n"
        'USER 1000:1000\nLABEL b="two words"\nENTRYPOINT ["python3", "-m", "bench"]\n',
        c="label",
    )
    run = found.config["config"]
    assert run["Env"] == ["PATH=/bin", "LANG=C", "HOME=/tmp"]
    assert (run["WorkingDir"], run["User"]) == ("/tmp", "1000:1000")
    assert run["Labels"] == {"a": "base", "b": "two words", "c": "label"}
    assert run["Entrypoint"] == ["python3", "-m", "bench"]
    assert "Cmd" not in run, "another entry point drops the inherited command"
    assert BASE.config["config"]["Cmd"] == ["python3"], "the parent is untouched"
    assert (
        found.config["rootfs"]["diff_ids"] == found.diff_ids == [*BASE.diff_ids, ImageLayer.of(FILES).diff_id]
    )
    steps = [step for step in found.config["history"] if not step.get("empty_layer")]
    assert len(steps) == len(found.layers), "one step of history a layer, as the specification asks"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FROM x\nRUN true\n", "does not know the instruction RUN"),
        ("FROM x\nADD site.tar /opt\n", "only an archive of the context"),
        ("FROM x\nADD other.tar /\n", "only an archive of the context"),
    ],
)
def test_what_the_kit_does_not_know_is_an_error(text: str, words: str) -> None:
    with pytest.raises(BuildError, match=words) as caught:
        built(text)
    assert caught.value.where.startswith("Dockerfile: ")


def test_the_archive_is_one_that_an_engine_loads() -> None:
    found = built("FROM x\nADD site.tar /\n")
    files = unpacked(found)
    [manifest] = json.loads(files["manifest.json"])
    assert manifest["RepoTags"] == ["kit:test"]
    assert manifest["Config"] == f"{hashlib.sha256(files[manifest['Config']]).hexdigest()}.json"
    assert [
        f"sha256:{hashlib.sha256(files[name]).hexdigest()}" for name in manifest["Layers"]
    ] == found.diff_ids
    without = unpacked(found, there=1)
    assert manifest["Layers"][0] not in without, "what the engine has is not sent"
    assert manifest["Layers"][1] in without
    assert without["manifest.json"] == files["manifest.json"]


def test_the_same_gives_the_same() -> None:
    assert built("FROM x\nADD site.tar /\n").text == built("FROM x\nADD site.tar /\n").text


def test_every_dockerfile_of_the_kit_is_understood() -> None:
    for name, facts in MATRIX.images.items():
        wheels = built(dockerfile.render(name, facts, "amd64", "wheels"))
        run = dockerfile.render(name, facts, "amd64", "bench")
        whole = image.build(wheels, run, {"bench.tar": FILES}, {})
        assert len(whole.layers) == 3
        assert whole.config["config"]["User"] == "1000:1000"
