"""Synthetic run directories, FOR TESTS ONLY: schema-valid, seeded, and measured on nothing."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.plan.cells import Cell, Filters, plan
from bench.plan.matrix import Matrix
from bench.plan.reading import load
from bench.store import results

MATRIX = Path(__file__).resolve().parents[2] / "matrix.toml"

# Milliseconds a sample of MobileNetV2 on an invented CPU; the ratios are what matters.
LATENCY_MS = {
    ("pytorch", "FP32"): 8.0,
    ("pytorch", "INT8-SQ"): 3.5,
    ("tflite", "FP32"): 6.2,
    ("tflite", "INT8-DQ"): 7.1,
    ("tflite", "INT8-SQ"): 4.4,
    ("tflite", "FP16"): 6.3,
    ("tflite", "INT16x8"): 218.0,
    ("onnxruntime", "FP32"): 4.1,
    ("onnxruntime", "INT8-DQ"): 9.3,
    ("onnxruntime", "INT8-SQ"): 2.2,
    ("openvino", "FP32"): 2.6,
    ("openvino", "INT8-OM"): 0.91,
}
BYTES = {32: 13_980_000, 16: 7_010_000, 8: 3_720_000}
# How much slower the other models are, and what a cap takes from INT8 and from FP32.
SLOWER = {"vgg19": 31.0, "densenet121": 8.5}
CAPPED = {"AVX2": (2.6, 1.4), "AVX512_CORE": (1.8, 1.0), "AVX512_CORE_VNNI": (1.0, 1.0)}
FLAGS = ("avx2", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni")
ONE_MODEL = Filters(models=("mobilenet_v2",))


def matrix() -> Matrix:
    """The project's own matrix."""
    return load(MATRIX)


def sha(text: str) -> str:
    """A digest that looks like one."""
    return hashlib.sha256(text.encode()).hexdigest()


def quiet() -> dict[str, Any]:
    """A machine that tells little about itself."""
    return {"governor": "performance", "frequency_mhz": 2700.0, "temperature_c": None, "throttled": None}


def round_of(cell: Cell, number: int, noise: float = 0.02) -> dict[str, Any]:
    """One round; SingleStream's p90 is LATENCY_MS with noise, the rest follows from it."""
    rng = random.Random(f"{cell.id}/{number}")
    base = LATENCY_MS.get((cell.framework, cell.method), 5.0) * (1 + rng.uniform(-noise, noise)) * 1e6
    base *= SLOWER.get(cell.model, 1.0) * CAPPED.get(cell.isa, (1.0, 1.0))["INT" not in cell.method]
    if cell.scenario == "Offline" and "INT" in cell.method:
        base *= 1.3 - 0.012 * cell.batch
    per_query = base * (8 * 0.8 if cell.scenario == "MultiStream" else 1)
    offline = cell.scenario == "Offline"
    latency = {
        "min": 0.8 * per_query,
        "mean": 0.93 * per_query,
        "p50": 0.92 * per_query,
        "p90": per_query,
        "p95": 1.03 * per_query,
        "p99": 1.12 * per_query,
        "p999": 1.4 * per_query,
        "max": 1.6 * per_query,
    }
    early = {"percentile": 90.0, "estimate_ns": 1.02 * per_query, "met": True}
    return {
        "round": number,
        "started": f"2026-02-03T04:{number:02d}:00+00:00",
        "seconds": 4.5,
        "machine": "invented-0123abcd",
        "load_seconds": 0.3,
        "first_inference_seconds": 2.1 * base / 1e9,
        "memory": {"baseline_bytes": 30_000_000, "loaded_bytes": 95_000_000, "ran_bytes": 120_000_000},
        "calibration": {"calls": 5, "seconds_per_call": base / 1e9},
        "used": {
            "scenario": cell.scenario,
            "min_duration_ms": 1000,
            "min_query_count": 64,
            "single_stream_expected_latency_ns": int(base),
            "offline_expected_qps": 1e9 / base,
        },
        "result": "VALID",
        "reasons": [],
        "early_stopping": None if offline else early,
        "queries": 1 if offline else 512,
        "samples": 4096,
        "samples_per_second": 1e9 / (0.62 * base),
        "latency_ns": None if offline else latency,
        "peak_memory_bytes": 180_000_000 - (20_000_000 if "INT" in cell.method else 0),
        "before": quiet(),
        "after": quiet(),
        "logs": f"loadgen/{cell.id}/round-{number}",
    }


def capped(round_: dict[str, Any]) -> dict[str, Any]:
    """A round during which the firmware capped the frequency at 82.4 °C."""
    edge = {**quiet(), "governor": "ondemand", "temperature_c": 70.0, "firmware": "0x0"}
    during = {
        "samples": 4,
        "read_seconds": 0.0012,
        "governor_changes": 0,
        "frequency_mhz": {"min": 1000.0, "median": 1500.0, "max": 1500.0},
        "temperature_c": 82.4,
        "firmware": "0x20002",
        "under_voltage": None,
        "slowed": 2,
    }
    return {**round_, "before": edge, "during": during, "after": edge}


def agreement_of(cell: Cell, bits: int) -> dict[str, Any]:
    """Rounding errors for FP32, quantization noise for the rest."""
    if bits == 32:
        return {
            "samples": 256,
            "classes": 10,
            "max_abs_diff": 7.1e-6,
            "mean_cosine": 0.99999999,
            "worst_cosine": 0.9999999,
            "mean_kl": 2.1e-12,
            "worst_kl": 3.4e-11,
            "logits_sha256": sha(f"{cell.framework}{cell.model}"),
            "top1_agreement": 1.0,
            "sqnr_db": None if cell.framework == "pytorch" else 118.4,
        }
    return {
        "samples": 256,
        "classes": 10,
        "max_abs_diff": 0.84,
        "mean_cosine": 0.9921,
        "worst_cosine": 0.9713,
        "mean_kl": 0.012,
        "worst_kl": 0.19,
        "logits_sha256": sha(f"{cell.framework}{cell.model}{cell.method}"),
        "top1_agreement": 0.9375,
        "sqnr_db": 19.2,
    }


def bits_of(right: list[bool]) -> str:
    """The result file's `top1_correct_bits`, one bit a sample."""
    padded = [*right, *[False] * (-len(right) % 8)]
    return bytes(
        sum(bit << (7 - place) for place, bit in enumerate(padded[start : start + 8]))
        for start in range(0, len(padded), 8)
    ).hex()


def accuracy_of(cell: Cell, right: list[bool], top5: int = 254) -> dict[str, Any]:
    """An accuracy whose samples have these top-1 answers right."""
    return {
        "scenario": cell.scenario,
        "samples": len(right),
        "top1_correct": sum(right),
        "top5_correct": max(top5, sum(right)),
        "top1_correct_bits": bits_of(right),
        "logs": f"loadgen/{cell.id}/accuracy",
    }


def answers_of(bits: int) -> list[bool]:
    """FP32 has 226 of 256 right; eight bits lose eight of those and win three others."""
    lost, won = (range(100, 108), range(240, 243)) if bits == 8 else ((), ())
    return [(index < 226 and index not in lost) or index in won for index in range(256)]


def result_of(cell: Cell, matrix: Matrix, profile: str, rounds: int, **changes: Any) -> dict[str, Any]:
    """One cell's result document; `changes` replaces top-level keys."""
    bits = matrix.methods[cell.method].bits
    isa = "avx512_core_vnni" if cell.isa == "native" else cell.isa.lower()
    measured = cell.scenario == "Offline"
    facts = matrix.profiles[profile]
    return {
        "schema": results.SCHEMA,
        "id": cell.id,
        "key": sha(cell.id),
        "cell": asdict(cell),
        "profile": profile,
        "dataset": facts.dataset,
        "performance": facts.performance,
        "rounds_planned": facts.rounds,
        "asked": {**asdict(facts.scenarios[cell.scenario]), "mode": "performance"},
        "artifact": {
            "sha256": sha(cell.framework + cell.model + cell.method),
            "bytes": BYTES[bits],
            "files": ["model.bin"],
        },
        "environment": {
            "engine": {"kind": "docker", "image": cell.framework, "digest": f"sha256:{sha('i')}"},
            "lock": sha(cell.framework),
            "code": sha("code"),
            "emulated": False,
            "cpu_model": "Invented CPU 9000",
            "cpu_flags": list(FLAGS),
            "machine": "x86_64",
            "kernel": "6.1.0-invented",
            "cores": 2,
            "threads": 2,
            "memory_limit_bytes": None,
        },
        "versions": {matrix.frameworks[cell.framework].package: "1.2.3", "numpy": "2.4.6"},
        "seeds": {"loadgen": 7},
        "evidence": {
            "summary": f"52 of 52 convolutions in {'f32' if bits == 32 else 'u8'}; oneDNN {isa}",
            "facts": {
                "convolutions": {"f32" if bits == 32 else "u8": 52},
                "isa": {"asked": cell.isa, "seen": {isa: 52}, "highest": isa},
            },
            "warnings": ["method says FP16 but 52 of 52 convolutions ran in f32"] if bits == 16 else [],
        },
        "judged": True,
        "agreement": agreement_of(cell, bits),
        "agreement_reason": None,
        "accuracy": accuracy_of(cell, answers_of(bits)) if measured else None,
        "accuracy_reason": None if measured else "the profile measures accuracy in Offline only",
        "rounds": [round_of(cell, number) for number in range(1, rounds + 1)],
        **changes,
    }


def run_json(cells: list[Cell], absent: list[dict[str, Any]], profile: str, **changes: Any) -> dict[str, Any]:
    """What the host writes beside the cells; `changes` replaces top-level keys."""
    return {
        "schema": 1,
        "run": f"host-{profile}",
        "created": "2026-02-03T04:00:00+00:00",
        "updated": "2026-02-03T04:09:30+00:00",
        "platform": "host",
        "profile": profile,
        "performance": profile != "smoke",
        "complete": True,
        "engine": {"kind": "docker", "why": "a Docker engine answers", "version": "20.10.24"},
        "host": {
            "cpu_model": "Invented CPU 9000",
            "cores": 2,
            "memory_bytes": 24 << 30,
            "os": "Debian GNU/Linux 12 (bookworm)",
            "kernel": "6.1.0-invented",
            "machine": "x86_64",
            "flags": list(FLAGS),
            "governor": None,
        },
        "device_note": None,
        "harness": {"single_stream_ns": 1900, "queries": 100000, "image": "openvino"},
        "planned": [{**asdict(cell), "id": cell.id} for cell in cells],
        "absent": absent,
        "failures": [],
        "predicted_seconds": 500.0,
        "seconds": 560.0,
        "prepare": {"seconds": 90.0, "artifacts": []},
        "kit": {
            "version": "0.1.0",
            "revision": sha("revision")[:40],
            "dirty": False,
            "matrix_sha256": sha("matrix"),
        },
        **changes,
    }


def cells_of(profile: str = "quick", filters: Filters | None = None) -> list[Cell]:
    """The cells of a profile on amd64, of MobileNetV2 unless `filters` say otherwise."""
    return list(plan(matrix(), "host", profile, "amd64", filters or ONE_MODEL, FLAGS).cells)


def write_run(folder: Path, profile: str = "quick", filters: Filters | None = None, **changes: Any) -> Path:
    """Write a whole run (of MobileNetV2 unless `filters` say otherwise) into `folder` and return it.

    `changes` replaces keys of run.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = matrix()
    planned = plan(facts, "host", profile, "amd64", filters or ONE_MODEL, FLAGS)
    cells = list(planned.cells)
    for cell in cells:
        rounds = facts.profiles[profile].rounds
        save(folder, cell.id, result_of(cell, facts, profile, rounds))
    document = run_json(cells, [asdict(one) for one in planned.absent], profile, **changes)
    (folder / "run.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def save(folder: Path, cell_id: str, document: dict[str, Any]) -> None:
    """Write a result without the fsync of results.save; reading it back validates it."""
    path = results.path_of(folder, cell_id)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")


def change(folder: Path, cell: Cell, **changes: Any) -> dict[str, Any]:
    """Replace keys of one cell's result on disk and return the document."""
    document = {**results.load(results.path_of(folder, cell.id)), **changes}
    save(folder, cell.id, document)
    return document
