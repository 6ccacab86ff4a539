"""doctor's last sentence: what a newcomer may type, or what comes first; no engine is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.common.errors import ArtifactError, BuildError, EngineError, KitError
from bench.device import environment
from bench.plan import prediction, reading
from images.choosing.groups import groups
from images.choosing.session import Session
from images.desk import doctor, line, verdict
from images.desk.verdict import Footing
from images.engines import distribution, machine
from images.engines.emulation import Fact
from images.running import forecast

ROOT = Path(__file__).resolve().parents[4]
MATRIX = reading.load(ROOT / "matrix.toml")
COLD = Footing("docker", unmade=("mobilenet_v2", "vgg19", "densenet121"), cells=43 * 60.0)
ENGINE = Fact("container engine", "the engine does not answer", "missing", "start Docker")
NATIVE = Fact("engine native", "CPython 3.11")


@pytest.mark.parametrize(
    ("footing", "told"),
    [
        (COLD, "docker, about 54 minutes, about 13 GB"),
        (replace(COLD, engine="native"), "native, about 54 minutes, about 9 GB"),
        (
            replace(COLD, unmade=(), share=0.0, wheels=True),
            "docker, about 43 minutes, about 0 GB",
        ),
        (replace(COLD, cells=None), "docker, about 11 minutes until it measures elsewhere, about 13 GB"),
        (replace(COLD, unmade=("mobilenet_v2",), share=0.1), "about 46 minutes, about 9 GB"),
    ],
)
def test_what_will_work_is_told_with_minutes_and_gigabytes(footing: Footing, told: str) -> None:
    assert verdict.verdict(footing).startswith("`./invoke build run` will work here: ")
    assert verdict.verdict(footing).endswith(told)


@pytest.mark.parametrize(
    ("footing", "error", "code", "words"),
    [
        (Footing("", ENGINE), EngineError, 4, ["does not answer", "first start Docker"]),
        (
            replace(COLD, too_large={"vgg19": "takes much"}),
            ArtifactError,
            6,
            ["vgg19: takes much", "run --model mobilenet_v2,densenet121, or", "models --import"],
        ),
        (replace(COLD, free=10e9), BuildError, 5, ["13.00 GB of disk", "10.00 GB are free"]),
    ],
)
def test_what_comes_first_is_told_with_an_exit_code(
    footing: Footing, error: type[KitError], code: int, words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        verdict.verdict(footing)
    assert caught.value.exit_code == code
    assert str(caught.value).startswith("`./invoke build run` will not work here")
    for word in words:
        assert word in str(caught.value)


def test_too_little_for_the_smallest_model_offers_none() -> None:
    with pytest.raises(ArtifactError) as caught:
        verdict.verdict(replace(COLD, too_large=dict.fromkeys(COLD.unmade, "takes much")))
    assert "--model" not in caught.value.remedy


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    def guessed(of: Session) -> dict[object, prediction.Speed]:
        return {group: prediction.guess(of.matrix, group.model, 2) for group in groups(of.plan)}

    monkeypatch.setattr(forecast, "expected_speeds", guessed)  # known speeds would open an engine
    monkeypatch.setattr(verdict, "available", lambda _: {})
    return Session.open(ROOT, line.no_flags())


@pytest.mark.parametrize(
    ("engine", "native", "kind"),
    [("ok", "warn", "docker"), ("ok", "ok", "docker"), ("missing", "ok", "native")],
)
def test_the_engine_is_the_one_that_a_run_would_take(
    session: Session, engine: str, native: str, kind: str
) -> None:
    facts = [replace(ENGINE, status=engine), replace(NATIVE, status=native)]
    found = verdict.look(session, facts, there=16 << 30, elsewhere=False)
    assert (found.engine, found.no_engine, found.share) == (kind, None, 1.0)
    assert set(found.unmade) == set(session.matrix.models)
    assert found.cells
    assert not found.too_large
    assert set(verdict.look(session, facts, there=3 << 30, elsewhere=False).too_large) == {"vgg19"}
    assert verdict.look(session, facts, there=16 << 30, elsewhere=True).cells is None


def test_no_engine_at_all_or_none_over_there_is_in_the_way(session: Session) -> None:
    facts = [ENGINE, replace(NATIVE, status="warn")]
    assert verdict.look(session, facts, there=16 << 30, elsewhere=False).no_engine == ENGINE
    there = [replace(ENGINE, status="ok"), replace(ENGINE, value="ssh://pi does not answer"), *facts[1:]]
    found = verdict.look(session, there, there=16 << 30, elsewhere=True).no_engine
    assert found is not None
    assert "ssh://pi" in found.value


def test_the_doctor_ends_with_the_code_of_what_is_in_the_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = [ENGINE, replace(NATIVE, status="warn")]
    monkeypatch.setattr(doctor, "examine", lambda *_: facts)
    with pytest.raises(EngineError, match="will not work here"):
        doctor.show_doctor(ROOT, [])
    assert "container engine" in capsys.readouterr().out, "the table is shown all the same"


@pytest.mark.parametrize(
    ("physical", "limit", "status", "told"),
    [
        (25_280_000_000, None, "ok", "25.28 GB"),
        (25_280_000_000, 800_000_000, "warn", "800.0 MB: this cgroup's limit, of 25.28 GB"),
        (25_280_000_000, 12_000_000_000, "ok", "12.00 GB: this cgroup's limit, of 25.28 GB"),
        (8_000_000_000, 16_000_000_000, "ok", "8.00 GB"),
        (3_900_000_000, None, "warn", "3.90 GB"),  # a Raspberry Pi of 4 GB
    ],
)
def test_memory_is_what_the_cgroup_leaves(
    physical: int, limit: int | None, status: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "memory_limit", lambda: limit)
    fact = doctor.memory(replace(machine.local(), memory_bytes=physical), MATRIX)
    assert (fact.status, fact.value) == (status, told)
    assert ("for vgg19" in fact.remedy) == (status == "warn")


@pytest.mark.parametrize(
    ("release", "docker"),
    [
        ({"ID": "debian"}, "apt-get install docker.io; systemctl start docker"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "apt-get install docker.io"),
        ({"ID": "fedora"}, "dnf install moby-engine"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "dnf install moby-engine"),
        ({"ID": "manjaro", "ID_LIKE": "arch"}, "pacman -S docker"),
        ({"ID": "opensuse-tumbleweed", "ID_LIKE": "opensuse suse"}, "zypper install docker"),
        ({"ID": "alpine"}, "apk add docker; service docker start"),
        ({"ID": "plan9"}, "install Docker"),
        ({}, "install Docker"),
    ],
)
def test_a_remedy_speaks_the_distributions_words(release: dict[str, str], docker: str) -> None:
    assert distribution.docker(release).startswith(docker)
