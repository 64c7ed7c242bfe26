"""The tuning folder as a worker sees it: calibration sets, float graphs, images and what is cached of them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.compile.job import load_job
from edgekit.compiler_api import CompileJob
from edgekit.data.image_source import Image
from edgekit.errors import DataError, ImageError
from edgekit.files import atomic_path, read_json, sha256_file, write_bytes, write_json
from edgekit.ops.image import read_image
from edgekit.progress import Progress
from edgekit.ptq.calibrator import Calibrator
from edgekit.sim.compiler.calibration.histogram import Histogram
from edgekit.sim.compiler.calibration.search import Thresholds, thresholds_by
from edgekit.sim.compiler.calibration.thresholds import ThresholdRule, percentile_threshold, threshold_rule
from edgekit.sim.compiler.prepared_model import INT16_MARCHES, PreparedModel, prepare_model
from edgekit.sim.compiler.quantize import QuantizedGraph
from edgekit.sim.compiler.scales import ScalePlan, plan_scales
from edgekit.tune.candidate import MAX, PLAIN, Setting

if TYPE_CHECKING:
    from edgekit.runtime.session import Session

SETS, GRAPHS, FLOATS, HISTOGRAMS, FRAMES = "sets", "graphs", "float_heads", "histograms", "frames"
IMAGES_NAME = "images.json"


@dataclass(frozen=True, slots=True)
class Work:
    """A tuning folder; everything in it is found by name, so that any process can work on it."""

    folder: Path

    def yaml(self, images: str) -> Path:
        """The yaml of a calibration set."""
        found = sorted((self.folder / SETS / images).glob("*.yaml"))
        if len(found) != 1:
            raise DataError(
                f"{self.folder / SETS / images} holds {len(found)} yaml files, expected one",
                hint="delete the tuning folder and begin again",
            )
        return found[0]

    def graph(self, name: str) -> Path:
        return self.folder / GRAPHS / f"{name}.onnx"

    def heads(self, image: int) -> Path:
        """Where the float model's outputs on an image are kept."""
        return self.folder / FLOATS / f"{image:05d}.npz"


def write_images(work: Work, images: Sequence[Image]) -> None:
    """Records the images that settings are measured on, in their order; frames of a video become files."""
    from edgekit.data.image_loader import map_images

    frames = [image for image in images if image.frame >= 0]
    for image, bgr in map_images(frames, lambda frame: frame):
        if isinstance(bgr, ImageError):
            raise bgr
        _, data = cv2.imencode(".png", bgr)
        write_bytes(_frame_path(work, image), data.tobytes())
    paths = [p.path.resolve() if p.frame < 0 else _frame_path(work, p) for p in images]
    write_json(work.folder / IMAGES_NAME, [str(path) for path in paths])


def _frame_path(work: Work, image: Image) -> Path:
    return work.folder / FRAMES / f"{image.stem}.png"


@functools.lru_cache(maxsize=4)
def images_of(folder: Path) -> tuple[Path, ...]:
    """The images that settings are measured on."""
    rows: Any = read_json(folder / IMAGES_NAME)
    return tuple(Path(row) for row in rows)


@functools.lru_cache(maxsize=8)
def _job(yaml: Path) -> CompileJob:
    return load_job(yaml)


@functools.lru_cache(maxsize=6)
def base_subject(folder: Path, images: str, graph: str) -> PreparedModel:
    """The model of a set and a float graph, in int8 throughout."""
    job = _job(Work(folder).yaml(images))
    return prepare_model(replace(job, onnx_path=Work(folder).graph(graph)) if graph != PLAIN else job)


@functools.lru_cache(maxsize=6)
def histograms_of(folder: Path, images: str, graph: str) -> Mapping[str, Histogram]:
    """What every tensor's values look like over the calibration set, computed once for all workers."""
    subject = base_subject(folder, images, graph)
    path = folder / HISTOGRAMS / f"{images}_{graph}.npz"
    if path.is_file():
        return _read_histograms(path)
    return observe_set(folder, images, graph, subject)


def observe_set(
    folder: Path, images: str, graph: str, subject: PreparedModel, progress: Progress | None = None
) -> dict[str, Histogram]:
    """Runs the float graph over the set and keeps the histograms on disk."""
    from edgekit.progress import silent
    from edgekit.sim.compiler.calibration.collect import observe

    tensors = [subject.graph.input, *(name for node in subject.graph.nodes for name in node.outputs)]
    found = observe(subject.job, subject.graph, tensors, progress=progress or silent)
    with atomic_path(folder / HISTOGRAMS / f"{images}_{graph}.npz") as temporary:
        np.savez(
            temporary,
            names=np.array(list(found)),
            counts=np.stack([one.counts for one in found.values()]),
            ranges=np.array([(one.reach, one.largest) for one in found.values()]),
        )
    return found


def _read_histograms(path: Path) -> dict[str, Histogram]:
    with np.load(path, allow_pickle=False) as arrays:
        rows = zip(arrays["names"].tolist(), arrays["counts"], arrays["ranges"].tolist(), strict=True)
        return {name: Histogram(counts, reach, largest) for name, counts, (reach, largest) in rows}


def calibrator_of(setting: Setting) -> ThresholdRule:
    """How a histogram becomes a threshold under `setting`."""
    method = setting.calibration_type
    return threshold_rule(Calibrator(method, setting.percentile if method == MAX else None))  # type: ignore[arg-type]


def plan_of(subject: PreparedModel, setting: Setting) -> ScalePlan:
    return plan_scales(subject.graph, int16_tail=subject.job.march in INT16_MARCHES, int16=setting.wide)


def thresholds_of(work: Work, setting: Setting) -> Thresholds:
    """The threshold per scale of the setting's build, without its limits."""
    plan = plan_of(base_subject(work.folder, setting.images, setting.graph), setting)
    histograms = histograms_of(work.folder, setting.images, setting.graph)
    return thresholds_by(calibrator_of(setting), {name: histograms[name] for name in plan.observed}, plan)


def quantized_of(work: Work, setting: Setting) -> tuple[PreparedModel, QuantizedGraph]:
    """The integer graph of `setting`, as the simulated compiler would build it."""
    subject = base_subject(work.folder, setting.images, setting.graph)
    subject = replace(subject, plan=plan_of(subject, setting))
    thresholds = capped(thresholds_of(work, setting), needed_limits(setting, subject), subject)
    return subject, subject.quantized(thresholds)


def needed_limits(setting: Setting, subject: PreparedModel) -> dict[str, float]:
    """The setting's limits without those whose tensor and the table behind it are both in 16 bits."""
    wide, behind = set(setting.wide), _tables(subject)
    return {name: limit for name, limit in setting.limits if not {name, behind.get(name, name)} <= wide}


def _tables(subject: PreparedModel) -> dict[str, str]:
    """What a table reads -> what it writes."""
    return {node.inputs[0]: node.output for node in subject.graph.nodes if node.op == "Table"}


def capped(thresholds: Thresholds, limits: Mapping[str, float], subject: PreparedModel) -> Thresholds:
    """`thresholds` with each limited tensor's, and that of the table behind it, brought down.

    A swish never exceeds its input, so that what saturates before it cannot come out of it.
    """
    behind = _tables(subject)
    result = dict(thresholds)
    for tensor, limit in limits.items():
        for name in (tensor, behind.get(tensor, tensor)):
            source = subject.plan.source.get(name, name)
            if source == name and name in result:  # a scale of its own, not that of a Concat
                result[name] = min(result[name], limit)
    return result


def clippable_tensors(subject: PreparedModel) -> frozenset[str]:
    """Convolution outputs with a scale of their own that a table reads: a Clip there costs nothing on the board."""
    readers = subject.graph.consumers()
    return frozenset(
        node.output
        for node in subject.graph.nodes
        if node.op == "Conv"
        and subject.plan.source.get(node.output) == node.output
        and [reader.op for reader in readers.get(node.output, [])] == ["Table"]
    )


def tensor_percentile(work: Work, setting: Setting, tensor: str, fraction: float) -> float:
    """The threshold of one tensor that a percentile calibrator would take."""
    histogram = histograms_of(work.folder, setting.images, setting.graph)[tensor]
    return percentile_threshold(histogram, fraction=fraction)


def session_of(work: Work, setting: Setting, *, threads: int) -> Session:
    """The setting's build on the simulated device, all heads as floats."""
    from edgekit.runtime.session import Session
    from edgekit.sim.compiler.sidecars import quantized_spec
    from edgekit.sim.device import SimDevice
    from edgekit.sim.graph import load_graph

    subject, quantized = quantized_of(work, setting)
    device = SimDevice(load_graph(quantized.model.SerializeToString()), threads=threads)
    return Session(quantized_spec(subject.job, subject.graph, subject.image), device)


@functools.lru_cache(maxsize=64)
def float_heads(folder: Path, image: int) -> Mapping[str, npt.NDArray[np.float32]]:
    """The float model's outputs on an image, from the disk."""
    with np.load(Work(folder).heads(image), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def write_float_heads(work: Work, model: Path, images: int, *, progress: Progress) -> None:
    """Runs the float model over the first `images`, once: every job compares with the same numbers."""
    from edgekit.runtime.session import load

    paths = images_of(work.folder)[:images]
    stamp = work.folder / FLOATS / "made_of.sha256"
    digest = f"{sha256_file(model)} {sha256_file(work.folder / IMAGES_NAME)}"
    if not stamp.is_file() or stamp.read_text() != digest:
        for old in work.folder.glob(f"{FLOATS}/*.npz"):
            old.unlink()
        with atomic_path(stamp) as temporary:
            temporary.write_text(digest)
    with load(model) as session:
        for i, path in enumerate(paths):
            progress("float model", i, len(paths))
            if not work.heads(i).is_file():
                inputs, _ = session.prepare(read_image(path))
                with atomic_path(work.heads(i)) as temporary:
                    heads: dict[str, Any] = {k: np.asarray(v, np.float32) for k, v in session.infer(inputs).items()}
                    np.savez(temporary, **heads)
    progress("float model", len(paths), len(paths))
