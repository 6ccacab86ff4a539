"""The texts of a submission tree: what the round asks to be told, from what the run knows.

A fact that the kit does not know is NOT_RECORDED, for the submitter to fill in; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.device.environment import ARCHES
from bench.measure.loadgen.settings import SEEDS
from bench.plan.matrix import Matrix
from reports.run.results import Measured, Run
from reports.run.wording import DISCLAIMER, NOT_RECORDED, memory

NONE = "N/A"
CHECKER_MAP = "vgg19:resnet;densenet121:resnet;mobilenet_v2:resnet"


def system(one: Measured, run: Run, matrix: Matrix, submitter: str) -> dict[str, Any]:
    """systems/<system>.json, with every field that v2.1 requires."""
    host, place, framework = run.facts["host"], one.environment, matrix.frameworks[one.cell.framework]
    return {
        "division": "open",
        "submitter": submitter,
        "status": "rdi",  # research, development or internal: the one category that promises no product
        "system_type": "edge",
        "system_name": f"{one.cell.platform}: {place['cpu_model']}",
        "number_of_nodes": "1",
        "host_processors_per_node": NOT_RECORDED,
        "host_processor_model_name": place["cpu_model"],
        "host_processor_core_count": str(place["cores"]),
        "host_processor_frequency": NOT_RECORDED,
        "host_processor_caches": NOT_RECORDED,
        "host_processor_interconnect": NOT_RECORDED,
        "host_memory_capacity": memory(host["memory_bytes"]),
        "host_memory_configuration": NOT_RECORDED,
        "host_storage_capacity": NOT_RECORDED,
        "host_storage_type": NOT_RECORDED,
        "host_networking": NONE,
        "host_networking_topology": NONE,
        "accelerators_per_node": "0",
        **{f"accelerator_{name}": NONE for name in _ACCELERATOR},
        "cooling": NOT_RECORDED,
        "hw_notes": f"{place['threads']} threads",
        "framework": f"{framework.title} {one.versions.get(framework.package, NOT_RECORDED)}",
        "operating_system": f"{host['os']}; Linux {place['kernel']}",
        "other_software_stack": "; ".join(
            f"{name} {version}" for name, version in sorted(one.versions.items())
        ),
        "sw_notes": f"{DISCLAIMER}; engine {place['engine']['kind']}; kernels: {one.evidence['summary']}",
    }


_ACCELERATOR = (
    "model_name",
    "frequency",
    "host_interconnect",
    "interconnect",
    "interconnect_topology",
    "memory_capacity",
    "memory_configuration",
    "on-chip_memories",
)


def implementation(one: Measured, matrix: Matrix) -> dict[str, str]:
    """measurements/.../<system>_<implementation>_<scenario>.json."""
    method = matrix.methods[one.cell.method]
    weights = {32: "fp32", 16: "fp16", 8: "int8"}[method.bits]
    probe = one.cell.weights == "probe"
    return {
        "input_data_types": "fp32",
        "weight_data_types": weights,
        "weight_transformations": f"{one.cell.method}: {method.title}" if method.kind != "none" else "none",
        "starting_weights_filename": f"{one.cell.weights} (artifact SHA-256 {one.artifact['sha256']})",
        "retraining": "Y: seeded weights, the last layer fitted on the embedded images" if probe else "N",
    }


def measurements(one: Measured, run: Run, matrix: Matrix, command: str) -> dict[str, str]:
    """The other files of measurements/<system>/<benchmark>/<scenario>/, by name."""
    return {
        "README.md": _measurement(one, run, matrix, command),
        "mlperf.conf": _mlperf_conf(one),
        "user.conf": _user_conf(one),
        "calibration_process.adoc": _calibration(one, run, matrix),
    }


def _measurement(one: Measured, run: Run, matrix: Matrix, command: str) -> str:
    cell, kit = one.cell, run.facts["kit"]
    title = f"{matrix.models[cell.model].title}, {matrix.frameworks[cell.framework].title} {cell.method}"
    return f"""# {title}, {cell.scenario}

{DISCLAIMER}. Open division: {matrix.models[cell.model].title} is not a benchmark of the round.

Made by edgequant {kit["version"]}, revision {kit["revision"]}:

    {command}

- weights: {cell.weights}; images: {one.dataset}
- batch {cell.batch}, {one.environment["threads"]} threads
- artifact SHA-256: {one.artifact["sha256"]}
- image: {one.environment["engine"]["image"]}, {one.environment["engine"]["digest"]}
- LoadGen {one.versions.get("mlcommons-loadgen", NOT_RECORDED)}
"""


def _mlperf_conf(one: Measured) -> str:
    asked, scenario = one.asked, one.cell.scenario
    lines = {
        "target_latency_percentile": asked["percentile"],
        "min_duration": round(asked["min_duration"] * 1000),
        "min_query_count": asked["min_queries"],
    }
    if scenario == "MultiStream":
        lines["samples_per_query"] = asked["samples_per_query"]
    own = [f"*.{scenario}.{name} = {value}" for name, value in lines.items()]
    common = {name: asked[name] for name in SEEDS if name in asked}
    common["performance_sample_count_override"] = asked["performance_samples"]
    every = [f"*.*.{name} = {value}" for name, value in common.items()]
    head = "# What this run asked of LoadGen, in the round's form (not MLCommons' own file). Milliseconds."
    return "\n".join([head, *every, *own, ""])


def _user_conf(one: Measured) -> str:
    rate, scenario = one.used["target_qps"], one.cell.scenario
    line = f"target_qps = {rate}" if scenario == "Offline" else f"target_latency = {1000 / rate:.6g}"
    return (
        f"# What a calibration before the run told LoadGen to expect (queries/s, ms).\n*.{scenario}.{line}\n"
    )


def _calibration(one: Measured, run: Run, matrix: Matrix) -> str:
    cell, method = one.cell, matrix.methods[one.cell.method]
    arch = ARCHES[one.environment["machine"]]
    used = matrix.format_of(cell.framework).parameters(cell.method, arch)
    if method.kind == "none":
        what = "No quantization, hence no calibration."
    elif "calibration_samples" not in used:
        what = "No calibration: no range of an activation is fixed before the run."
    else:
        notes = run.facts.get("dataset", {}).get("notes", [])
        told = [note for note in notes if note.startswith("calibration: ")]
        split = told[0] if told else f"the calibration split of {one.dataset}"
        what = f"Calibrated on up to {used['calibration_samples']} images; {split}."
    listed = "\n".join(f"* {name}: {value}" for name, value in used.items())
    return f"""= Calibration of {cell.model}, {cell.framework} {cell.method}

{method.title} ({method.symmetry}). {what} No image is both in the calibration and in the test split.

{listed}
"""


def code(run: Run, command: str) -> str:
    """code/<benchmark>/<implementation>/README.md."""
    kit = run.facts["kit"]
    changed = ", with uncommitted changes" if kit["dirty"] else ""
    return f"""# edgequant

The code is edgequant {kit["version"]}, revision {kit["revision"]}{changed} (MIT licence).
In a checkout of it:

    {command}

bench/measure/systems.py holds the system under test, bench/quantization/ makes the artifacts. {DISCLAIMER}.
"""


def accuracy(right: int, samples: int) -> str:
    """A line of accuracy.txt, as the round's ImageNet script prints it."""
    return f"accuracy={100 * right / samples:.3f}%, good={right}, total={samples}\n"


def performance_verdict(found: Mapping[str, Any]) -> str:
    """verify_performance.txt of an audit test."""
    lines = [
        "Verifying performance.",
        f"reference score = {found['measured']}",
        f"test score = {found['audit']}",
        *found["reasons"],
        "TEST PASS" if found["passed"] else "TEST FAIL",
    ]
    return "\n".join([*lines, ""])


def accuracy_verdict(found: Mapping[str, Any]) -> str:
    """verify_accuracy.txt of TEST01: whether the answers are the same ones."""
    lines = [
        "Verifying accuracy.",
        f"num_perf_log_entries = {found['answers']}",
        f"num_perf_log_data_mismatch = {found['different']}",
        f"num_missing_qsl_idxs = {found['unknown']}",
        *found["reasons"],
        "TEST PASS" if found["passed"] and not found["different"] else "TEST FAIL",
    ]
    return "\n".join([*lines, ""])


def readme(
    run: Run,
    submitter: str,
    cells: Sequence[str],
    left_out: Mapping[str, str],
    shortfalls: Sequence[str],
    audits: Mapping[str, bool],
) -> str:
    """README.md beside the tree: for the submitter, not for upload."""
    parts = [
        f"# {run.name}: {len(cells)} cells in the form of MLPerf Inference v2.1, open division",
        f"{DISCLAIMER}. Only `open/` is for upload; fill in what is '{NOT_RECORDED}' in "
        f"`open/{submitter}/systems/`. The round's own checker (mlcommons/inference, tag v2.1) reads it:",
        "    python tools/submission/submission-checker.py --input THIS_FOLDER --version v2.1 "
        f'--extra-model-benchmark-map "{CHECKER_MAP}"',
        "The round asked for its own LoadGen; the logs say which one made them.",
        _list("What the checker will not take", shortfalls),
        _list("Audit runs", [f"{name}: {'passed' if ok else 'not passed'}" for name, ok in audits.items()]),
        _list("Left out", [f"{name}: {reason}" for name, reason in left_out.items()]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _list(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""
