"""Kinds of our own files: sidecars, PTQ yaml, manifests, calibration files, unfinished work, stores of results."""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from fuzzing import material
from fuzzing.kind import Kind, as_file
from fuzzing.mutate_bytes import mutate_bytes
from fuzzing.mutate_text import mutate_text
from fuzzing.mutate_tree import mutate_json
from fuzzing.mutate_yaml import mutate_yaml

ABOUT = {"model": "m", "data": "d"}
REQUEST = {"settings": {"frames": 10, "warmup": 1, "conf": 0.25, "iou": 0.7}}


@functools.cache
def sidecar_seeds() -> tuple[bytes, ...]:
    from edgekit.spec import sidecar_path

    return tuple(sidecar_path(material.heads(task)).read_bytes() for task in material.TASKS)


def place_sidecar(data: bytes, folder: Path) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(material.heads_for(data).read_bytes())
    (folder / "m.json").write_bytes(data)
    return path


def check_sidecar(path: Path) -> None:
    """Read a sidecar and predict with it."""
    from edgekit.runtime.session import load
    from edgekit.spec import load_spec, sidecar_path, spec_to_dict

    spec = load_spec(sidecar_path(path))
    json.dumps(spec_to_dict(spec))
    from edgekit.ops.image import read_image

    bgr = read_image(material.images()[0])
    with load(path) as session:
        session.predict(bgr)


def built_seeds() -> tuple[bytes, ...]:
    return (material.built().with_suffix(".json").read_bytes(),)


def place_built(data: bytes, folder: Path) -> Path:
    path = folder / "tiny.bin"
    path.write_bytes(material.built().read_bytes())
    (folder / "tiny.json").write_bytes(data)
    return path


def check_built(path: Path) -> None:
    """Predict with a simulated `.bin` and its sidecar, and report on both."""
    from fuzzing.reports import report_on

    report_on(path)
    check_sidecar(path)


def ptq_seeds() -> tuple[bytes, ...]:
    return (material.work().read_bytes(),)


def preset_seeds() -> tuple[bytes, ...]:
    presets = sorted((Path(__file__).parents[2] / "ptq_yamls").rglob("*.yaml"))
    return tuple(path.read_bytes() for path in presets[:: max(1, len(presets) // 6)])


def check_preset(path: Path) -> None:
    """Read a yaml and write it again."""
    from edgekit.ptq import load_config
    from edgekit.ptq.config import dump_config

    dump_config(load_config(path))


def place_ptq(data: bytes, folder: Path) -> Path:
    path = material.copy_work(folder)
    path.write_bytes(data)
    return path


def check_ptq(path: Path) -> None:
    """Read a yaml, write it again, and make the job of it; then read its samples."""
    from edgekit.calibration.samples import normalisation_of, read_sample
    from edgekit.compilation.job import load_job
    from edgekit.ptq import load_config
    from edgekit.ptq.config import dump_config

    dump_config(load_config(path))
    job = load_job(path)
    normalisation = normalisation_of(job)
    for file in job.calibration_files[:2]:
        read_sample(file, job, normalisation)


def calibration_seeds() -> tuple[bytes, ...]:
    return (sorted((material.work().parent / "calibration_data").iterdir())[0].read_bytes(),)


def mutate_calibration(rng: Random, data: bytes) -> bytes:
    """Damage raw floats: other sizes, other ranges, NaN and infinities, npy headers."""
    draw = rng.random()
    if draw < 0.4:
        return mutate_bytes(rng, data)
    if draw < 0.5:
        return b"\x93NUMPY\x01\0v\0{'descr': '|O', 'fortran_order': False, 'shape': (1,)}" + data[64:]
    odd = struct.pack("<f", rng.choice((float("nan"), float("inf"), -1.0, 3e38, 1e-40, 256.0)))
    at = rng.randrange(len(data) // 4) * 4
    return data[:at] + odd * rng.choice((1, 1000)) + data[at + 4 :]


def place_calibration(data: bytes, folder: Path) -> Path:
    path = material.copy_work(folder)
    (path.parent / "manifest.json").unlink()
    sorted((path.parent / "calibration_data").iterdir())[0].write_bytes(data)
    return path


def manifest_seeds() -> tuple[bytes, ...]:
    written = (material.work().parent / "manifest.json").read_bytes()
    files = json.loads(written)["files"]
    as_list = {"edgekit": "1", "files": [{"name": name, "sha256": digest} for name, digest in files.items()]}
    return written, json.dumps({**as_list, "mean_rgb": [114.0, 110.5, 99.0]}).encode()


def place_manifest(data: bytes, folder: Path) -> Path:
    path = material.copy_work(folder)
    (path.parent / "manifest.json").write_bytes(data)
    return path


@functools.cache
def state_seeds() -> tuple[bytes, ...]:
    """What an unfinished `calibrate` leaves, as it writes it."""
    stats: dict[str, Any] = {"width": 64, "height": 48, "mean_rgb": [1.0, 2.0, 3.0], "contrast": 20.0, "chroma": 3.0}
    stats |= {"maximum": 255, "zero_share": 0.1}
    chosen = [{"path": "/d/a.png", "name": "a.png", "frame": -1, "nearest_rms": 9.5, "stats": stats}]
    dropped = [{"name": "b.png", "reason": "near-duplicate", "detail": "of a.png"}]
    selection = {"offered": 3, "looked_at": 3, "chosen": chosen, "dropped": dropped}
    state = {"request": {"num": 2}, "written": {"a": "0" * 64}}
    return tuple(json.dumps({**state, "selection": one}).encode() for one in (None, selection))


def place_state(data: bytes, folder: Path) -> Path:
    path = folder / ".edgekit-calibrate.json"
    path.write_bytes(data)
    return path


def check_state(path: Path) -> None:
    from edgekit.calibration.workdir import open_work

    open_work(path.parent, {"num": 2})


def store_seeds() -> tuple[bytes, ...]:
    from edgekit.records import envelope
    from edgekit.workers.memo import KIND

    head = json.dumps({**envelope(KIND), **ABOUT})
    rows = [json.dumps({"task": f"j{i}", "stage": "s", "result": {"a": i / 3}}) for i in range(4)]
    return (("\n".join([head, *rows]) + "\n").encode(),)


def check_store(path: Path) -> None:
    from edgekit.workers.memo import ResultFile

    store = ResultFile(path, ABOUT)
    store.add("new", "s", {"a": 1})
    store.close()
    again = ResultFile(path, ABOUT)
    assert "new" in again, "a result that was added is not there"
    again.close()


def bench_seeds() -> tuple[bytes, ...]:
    from edgekit.evaluation.bench.report import BenchReport
    from edgekit.evaluation.bench.row import Metric, Row
    from edgekit.runtime.perf import Latency

    latency = Latency(*(float(i + 1) for i in range(len(Latency.__dataclass_fields__))))
    rows = [
        Row("m", "m.bin", "sim", device="sim", size_wh=(96, 64), threads=1, fps=9.5, total=latency,
            stages={"infer": latency}, scores={"box": Metric("mAP", 0.5, 0.4, 0.6, 0.7)}, images=3),
        Row("n", "n.onnx", "cpu", status="failed", error="e", hint="h"),
    ]  # fmt: skip
    report = BenchReport(
        rows=rows, started="2026-01-01", machine={"cpus": "2"}, request=REQUEST, timing_images="p", total=3
    )
    return (json.dumps(report.to_dict()).encode(),)


def check_bench(path: Path) -> None:
    from edgekit.evaluation.bench.report import BenchReport, rows_of_unfinished
    from edgekit.evaluation.bench.store import read_report
    from edgekit.evaluation.bench.table import csv_text, markdown, text_table

    rows = rows_of_unfinished(read_report(path.parent), REQUEST)
    if rows:
        report = BenchReport(
            rows=list(rows), started="", machine={}, request=REQUEST, timing_images="p", total=len(rows)
        )
        for write in (text_table, markdown, csv_text):
            write(report)
        json.dumps(report.to_dict())


def predictions_seeds() -> tuple[bytes, ...]:
    head = {"model": "m", "names": ["a", "b"], "task": "detect", "images": [1, 2, 3]}
    row = {"image_id": 1, "size_wh": [64, 48], "boxes_xyxy": [[1, 2, 3, 4]], "scores": [0.5], "class_ids": [0]}
    extra = {"rles": ["0i1W3"], "keypoints": [[[1, 2, 1]] * 17], "rotated_xywhr": [[1, 2, 3, 4, 0.5]]}
    lines = [head, row, {**row, "image_id": 2, **extra}, {"image_id": 3, "error": "e"}]
    return ("".join(json.dumps(line) + "\n" for line in lines).encode(),)


def mutate_lines(rng: Random, data: bytes) -> bytes:
    """Damage JSON lines: one line as JSON, or all as text."""
    if rng.random() < 0.4:
        return mutate_text(rng, data)
    lines = data.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    return b"".join([*lines[:at], mutate_json(rng, lines[at]).replace(b"\n", b" ") + b"\n", *lines[at + 1 :]])


def check_predictions(path: Path) -> None:
    from edgekit.evaluation.predictions import Predictions, _row_id
    from edgekit.evaluation.row_file import resume_rows

    head = json.loads(predictions_seeds()[0].splitlines()[0])
    resume_rows(path, head, _row_id, head["images"])
    for found in Predictions(path, head):
        del found


def buildinfo_seeds() -> tuple[bytes, ...]:
    from dataclasses import asdict

    from edgekit.compilation.buildinfo import BuildInfo

    digest = "0" * 64
    info = BuildInfo(
        "sim", {"yaml": digest}, {"bin": "m.bin"}, {"m.bin": digest}, {"box": 0.99}, {"c": 0.98}, ("n",), {"a": 1}
    )
    return (json.dumps(asdict(info)).encode(),)


def check_buildinfo(path: Path) -> None:
    from edgekit.compilation.buildinfo import read_buildinfo, still_valid, write_buildinfo

    info = read_buildinfo(path.parent)
    if info is not None:
        still_valid(path.parent, info, info.inputs)
        write_buildinfo(path.parent, info)


def reference_seeds() -> tuple[bytes, ...]:
    references = sorted((Path(__file__).parents[2] / "board" / "reference").glob("*.json"))
    return tuple(path.read_bytes() for path in references)


def check_reference(path: Path) -> None:
    from edgekit.runtime.published_results import compare, read_reference

    compare((), read_reference(path), model_stem="yolov8n")


def answer_seeds() -> tuple[bytes, ...]:
    check = {"name": "numpy", "state": "ok", "found": "1.26.4", "expected": ">= 1.26", "hint": ""}
    run = {"threads": 1, "fps": 120.5, "cpu_percent": 40.0, "stages": {"infer": {"p50": 5.1, "p99": 6.0}}}
    return (json.dumps([check]).encode(), json.dumps({"model": "yolov8n.bin", "runs": [run]}).encode())


def check_answer(path: Path) -> None:
    from edgekit.deploy.board_answer import read_checks, read_perf
    from edgekit.deploy.remote import _failed

    text = path.read_bytes().decode("utf-8", "replace")
    check_message(lambda: read_checks(text) if text.lstrip().startswith("[") else read_perf(text))
    check_message(lambda: _raise(_failed("try", "board", 1, text)))


def _raise(error: Exception) -> None:
    raise error


def check_message(work: Callable[[], object]) -> None:
    """Let what `work` raises pass only where it is fit to be printed: a refusal is as good as a value here."""
    from edgekit.errors import EdgekitError
    from fuzzing.outcome import is_garbled

    try:
        work()
    except EdgekitError as error:
        if is_garbled(f"{error.message}\n{error.hint}"):
            raise


KINDS = (
    Kind("sidecar", "sidecars beside their models", sidecar_seeds, mutate_json, place_sidecar, check_sidecar,
         lambda path: ["run", "--model", str(path), "--source", str(material.images()[0].parent),
                       "-o", str(path.parent / "out")]),
    Kind("built", "sidecars beside simulated .bin", built_seeds, mutate_json, place_built, check_built,
         lambda path: ["report", str(path)]),
    Kind("ptq", "PTQ yaml in a work folder", ptq_seeds, mutate_yaml, place_ptq, check_ptq,
         lambda path: ["compile", str(path), "--toolchain", "sim"]),
    Kind("preset", "PTQ yaml alone", preset_seeds, mutate_yaml, as_file("preset.yaml"), check_preset),
    Kind("calibration", "calibration files", calibration_seeds, mutate_calibration, place_calibration, check_ptq,
         lambda path: ["compile", str(path), "--toolchain", "sim"]),
    Kind("manifest", "manifests of work folders", manifest_seeds, mutate_json, place_manifest, check_ptq),
    Kind("state", "unfinished work of calibrate", state_seeds, mutate_json, place_state, check_state),
    Kind("tunestore", "stores of tune", store_seeds, mutate_lines, as_file("jobs.jsonl"), check_store),
    Kind("bench", "unfinished benches", bench_seeds, mutate_json, as_file("bench.json"), check_bench),
    Kind("predictions", "unfinished predictions of eval", predictions_seeds, mutate_lines, as_file("p.jsonl"),
         check_predictions),
    Kind("buildinfo", "records of builds", buildinfo_seeds, mutate_json, as_file("buildinfo.json"), check_buildinfo),
    Kind("reference", "published figures", reference_seeds, mutate_json, as_file("r.json"), check_reference),
    Kind("answer", "what a board says to push", answer_seeds, mutate_json, as_file("answer.txt"), check_answer),
)  # fmt: skip
