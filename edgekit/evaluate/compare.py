"""Two models on the same images: layer by layer, head by head, and in detections lost, gained and moved."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.data.image_source import open_source
from edgekit.errors import DataError, ModelError
from edgekit.evaluate.agreement import CONFIDENT, SHOWN, pair_up
from edgekit.evaluate.compared_model import ComparedModel, Tensor, head_values, open_compared
from edgekit.evaluate.predictions import ImageDetections
from edgekit.evaluate.side_by_side import side_by_side
from edgekit.evaluate.tensor_metrics import Sums, TensorMetrics
from edgekit.files import ReadFiles
from edgekit.ops.image import read_image
from edgekit.output.writer import write_image
from edgekit.progress import Progress, silent
from edgekit.results import Detections

MOVED_IOU = 0.8  # a pair that overlaps less has visibly moved
IMAGES = 5  # side by side, of the images that differ most
NHWC_TO_NCHW, NCHW_TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


@dataclass(frozen=True, slots=True)
class Layer:
    """An inner tensor that both sides have, in the order of the second side's graph."""

    node: str
    op: str
    tensor: str
    figures: TensorMetrics


@dataclass(frozen=True, slots=True)
class MatchedDetection:
    """One detection in words: class, score, box, and for a moved one how much of it still overlaps."""

    name: str
    score: float
    box_xyxy: tuple[float, ...]
    iou: float = 0.0


@dataclass(frozen=True, slots=True)
class DetectionDiff:
    """What changed for the user on one image; `image` is the side-by-side, where one was drawn."""

    image: str
    lost: tuple[MatchedDetection, ...]
    gained: tuple[MatchedDetection, ...]
    moved: tuple[MatchedDetection, ...]
    kept: int
    drawing: str = ""

    @property
    def changes(self) -> int:
        return len(self.lost) + len(self.gained) + len(self.moved)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`first_below`: the first layer, in the order of computing, whose cosine is under the threshold."""

    a: str
    b: str
    images: int
    layers: tuple[Layer, ...]
    heads: Mapping[str, TensorMetrics]
    differences: tuple[DetectionDiff, ...]
    threshold: float

    @property
    def first_below(self) -> Layer | None:
        return next((layer for layer in self.layers if layer.figures.cosine < self.threshold), None)

    @property
    def passes(self) -> bool:
        """Whether every layer and head reaches the threshold."""
        figures = [layer.figures for layer in self.layers] + list(self.heads.values())
        return all(one.cosine >= self.threshold for one in figures)

    def to_dict(self) -> dict[str, Any]:
        first = self.first_below
        return {
            "a": self.a,
            "b": self.b,
            "images": self.images,
            "threshold": self.threshold,
            "passes": self.passes,
            "first_below": _layer_dict(first) if first else None,
            "heads": {name: figures.to_dict() for name, figures in self.heads.items()},
            "layers": [_layer_dict(layer) for layer in self.layers],
            "detections": [_difference_dict(one) for one in self.differences],
        }


@dataclass(slots=True)
class _Running:
    """Sums over the images so far."""

    layers: dict[str, Sums] = field(default_factory=dict)
    heads: dict[str, Sums] = field(default_factory=dict)
    differences: list[DetectionDiff] = field(default_factory=list)


def compare_models(
    a: Path,
    b: Path,
    source: Path,
    *,
    num: int = 8,
    threshold: float = 0.98,
    images_dir: Path | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Runs both sides on the first `num` images of `source` and compares everything they share.

    `a` is the reference, usually the float model. Side-by-side images of the images that differ most go to
    `images_dir`. Raises EdgekitError kinds for sides that are no models or share no head.
    """
    side_a, side_b = open_compared(a), open_compared(b)
    _require_same_kind(side_a, side_b)
    _share_names(side_a, side_b)
    images = [p.path for p in open_source(source, frames=1).images if p.frame < 0][:num]
    if not images:
        raise DataError(f"{source} has no images, expected some", hint="give a folder, list or COCO JSON of images")
    pairs = pair_tensors(side_a.tensors, side_b.tensors)
    running = _Running()
    for count, path in enumerate(images, 1):
        _compare_image(path, side_a, side_b, pairs, running)
        progress("comparing", count, len(images))
    layers = tuple(
        Layer(tensor.node, tensor.op, tensor.key, running.layers[tensor.key].figures())
        for _, tensor in pairs
        if tensor.key in running.layers
    )
    differences = tuple(running.differences)
    if images_dir is not None and side_a.session and side_b.session:
        differences = _draw_images(differences, images, side_a, side_b, images_dir)
    heads = {name: sums.figures() for name, sums in running.heads.items()}
    return Comparison(side_a.name, side_b.name, len(images), layers, heads, differences, threshold)


def _require_same_kind(a: ComparedModel, b: ComparedModel) -> None:
    if a.session is None or b.session is None:
        return
    one, other = a.session.spec, b.session.spec
    if (one.task, one.num_classes) != (other.task, other.num_classes):
        raise ModelError(
            f"{a.name} does {one.task!r} with {one.num_classes} classes, but {b.name} {other.task!r} with "
            f"{other.num_classes}, expected the same",
            hint="compare two forms of the same model",
        )


def _share_names(a: ComparedModel, b: ComparedModel) -> None:
    """An export that only numbers its classes is shown with the names of the other side."""
    for one, other in ((a, b), (b, a)):
        mine, names = one.session, other.session.spec.names if other.session else ()
        if mine and len(mine.spec.names) == len(names) and all(name.isdigit() for name in mine.spec.names):
            one.session = mine.with_names(names)


def pair_tensors(a: Sequence[Tensor], b: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Tensors that both sides name alike, in the order in which `b` computes them."""
    by_key = {tensor.key: tensor for tensor in a}
    return [(by_key[tensor.key], tensor) for tensor in b if tensor.key in by_key]


def _compare_image(
    path: Path, a: ComparedModel, b: ComparedModel, pairs: list[tuple[Tensor, Tensor]], running: _Running
) -> None:
    bgr = read_image(path)
    raws, results = [], []
    for place, side in enumerate((a, b)):
        keep = [pair[place].name for pair in pairs]
        if side.session is None:
            raws.append(side.run(path.stem, None, keep))
            continue
        inputs, letterbox = side.session.prepare(bgr)
        raw = side.run(path.stem, inputs, keep)
        raws.append(raw)
        results.append(side.session.decode({h.name: raw[h.name] for h in side.session.spec.outputs}, letterbox))
    for one, other in pairs:
        _add_layer(running.layers, other.key, raws[0][one.name], raws[1][other.name])
    heads_a, heads_b = head_values(raws[0], a, b), head_values(raws[1], b, a)
    for name in heads_a.keys() & heads_b.keys():
        if heads_a[name].shape == heads_b[name].shape:
            running.heads.setdefault(name, Sums()).add(heads_a[name], heads_b[name], fit=False)
    detections = [one for one in results if isinstance(one, Detections)]
    if len(detections) == 2:
        running.differences.append(difference_of(path.name, *detections))


def _add_layer(layers: dict[str, Sums], key: str, a: npt.NDArray[Any], b: npt.NDArray[Any]) -> None:
    aligned = in_layout_of(a, b)
    if aligned is None or a.dtype == np.bool_:
        return
    fit = np.issubdtype(a.dtype, np.floating) != np.issubdtype(b.dtype, np.floating)
    layers.setdefault(key, Sums()).add(a, aligned, fit=fit)


def in_layout_of(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    """`b` with its axes as those of `a`: as it is, NHWC to NCHW or back; None where no order fits."""
    if a.ndim == b.ndim == 4:
        as_nchw, as_nhwc = b.transpose(NHWC_TO_NCHW), b.transpose(NCHW_TO_NHWC)
        mixed = np.issubdtype(a.dtype, np.floating) and np.issubdtype(b.dtype, np.integer)
        order = (as_nchw, b, as_nhwc) if mixed else (b, as_nchw, as_nhwc)  # integer graphs are NHWC, floats NCHW
        return next((c for c in order if c.shape == a.shape), None)
    return b if a.shape == b.shape else None


def difference_of(image: str, a: Detections, b: Detections) -> DetectionDiff:
    """Confident detections of one side that the other does not show are lost or gained; pairs may have moved."""
    found_a, found_b = _as_found(a), _as_found(b)
    pairs = pair_up(found_a, found_b, found_a.scores >= SHOWN, found_b.scores >= SHOWN)
    close = [(i, j, iou) for i, j, iou in pairs if iou >= 0.5]
    of_a, of_b = {i for i, _, _ in close}, {j for _, j, _ in close}
    sure = [(i, j, iou) for i, j, iou in close if max(found_a.scores[i], found_b.scores[j]) >= CONFIDENT]
    return DetectionDiff(
        image,
        lost=tuple(_seen(a, i) for i in range(len(a)) if a.scores[i] >= CONFIDENT and i not in of_a),
        gained=tuple(_seen(b, j) for j in range(len(b)) if b.scores[j] >= CONFIDENT and j not in of_b),
        moved=tuple(_seen(b, j, iou) for _, j, iou in sure if iou < MOVED_IOU),
        kept=sum(iou >= MOVED_IOU for _, _, iou in sure),
    )


def _as_found(results: Detections) -> ImageDetections:
    return ImageDetections(0, results.size_wh, results.boxes_xyxy, results.scores, results.class_ids)


def _seen(results: Detections, index: int, iou: float = 0.0) -> MatchedDetection:
    box = tuple(round(float(v), 1) for v in results.boxes_xyxy[index])
    return MatchedDetection(results.labels[index], round(float(results.scores[index]), 4), box, round(iou, 4))


def _draw_images(
    differences: tuple[DetectionDiff, ...], images: Sequence[Path], a: ComparedModel, b: ComparedModel, folder: Path
) -> tuple[DetectionDiff, ...]:
    """A left, B right, for the images that differ most."""
    order = sorted(range(len(differences)), key=lambda i: -differences[i].changes)
    drawn = {i for i in order[:IMAGES] if differences[i].changes}
    assert a.session is not None and b.session is not None
    rows: list[DetectionDiff] = []
    read = ReadFiles(images)
    for i, one in enumerate(differences):
        if i not in drawn:
            rows.append(one)
            continue
        bgr = read_image(images[i])
        found = [side.predict(bgr) for side in (a.session, b.session)]
        assert isinstance(found[0], Detections) and isinstance(found[1], Detections)
        name = _image_name(images[i], {row.drawing for row in rows})
        read.refuse(folder / name)
        write_image(folder / name, side_by_side(bgr, found[0], found[1], one))
        rows.append(DetectionDiff(one.image, one.lost, one.gained, one.moved, one.kept, name))
    return tuple(rows)


def _image_name(image: Path, taken: Collection[str]) -> str:
    """A name after the image's that no other image has: with its suffix or a number where stems are equal."""
    stems = itertools.chain((image.stem, image.name), (f"{image.name}-{n}" for n in itertools.count(2)))
    return next(name for stem in stems if (name := f"{stem}_compare.jpg") not in taken)


def _layer_dict(layer: Layer) -> dict[str, Any]:
    return {"node": layer.node, "op": layer.op, "tensor": layer.tensor, **layer.figures.to_dict()}


def _difference_dict(one: DetectionDiff) -> dict[str, Any]:
    def rows(seen: tuple[MatchedDetection, ...]) -> list[dict[str, Any]]:
        return [{"name": s.name, "score": s.score, "box_xyxy": list(s.box_xyxy), "iou": s.iou} for s in seen]

    return {
        "image": one.image,
        "lost": rows(one.lost),
        "gained": rows(one.gained),
        "moved": rows(one.moved),
        "kept": one.kept,
        "drawing": one.drawing or None,
    }
