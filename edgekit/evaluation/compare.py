"""Two models on the same images: layer by layer, head by head, and in detections lost, gained and moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import DataError, ModelError
from edgekit.evaluation.compare_drawings import draw_detections, draw_maps
from edgekit.evaluation.compared_image import ComparedImage
from edgekit.evaluation.compared_items import ComparedItem, compared_items, read_item, stem_of
from edgekit.evaluation.compared_model import ComparedModel, InnerTensor, head_values, open_compared
from edgekit.evaluation.detection_diff import DetectionDiff, diff_detections
from edgekit.evaluation.map_diff import MapDiff, diff_maps
from edgekit.evaluation.tensor_metrics import MetricSums, TensorMetrics
from edgekit.progress import Progress, silent
from edgekit.records import envelope
from edgekit.results import Detections

__all__ = ["LayerDiff", "ModelComparison", "compare_models", "compare_on_images", "pair_tensors"]

NHWC_TO_NCHW, NCHW_TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


@dataclass(frozen=True, slots=True)
class LayerDiff:
    """An inner tensor that both models have, and how near it is.

    Attributes:
        node: That makes it in B.
        op: Of that node.
        tensor: Name that both know it by.
        metrics: Over all images.
    """

    node: str
    op: str
    tensor: str
    metrics: TensorMetrics


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """Two models compared on the same images.

    Attributes:
        a: Name of the reference.
        b: Name of the other model.
        images: Number of images.
        layers: In the order in which B computes them.
        heads: By role and stride.
        differences: Of detections, per image.
        threshold: Cosine that every layer and head should reach.
        maps: Of class maps and depth maps, per image.
    """

    a: str
    b: str
    images: int
    layers: tuple[LayerDiff, ...]
    heads: Mapping[str, TensorMetrics]
    differences: tuple[DetectionDiff, ...]
    threshold: float
    maps: tuple[MapDiff, ...] = ()

    @property
    def first_below(self) -> LayerDiff | None:
        """The first layer, in the order of computing, whose cosine is below the threshold."""
        return next((layer for layer in self.layers if layer.metrics.cosine < self.threshold), None)

    @property
    def passes(self) -> bool:
        """Whether every layer and head reaches the threshold."""
        metrics = [layer.metrics for layer in self.layers] + list(self.heads.values())
        return all(metric.cosine >= self.threshold for metric in metrics)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        first = self.first_below
        return {
            **envelope("comparison"),
            "a": self.a,
            "b": self.b,
            "images": self.images,
            "threshold": self.threshold,
            "passes": self.passes,
            "first_below": _layer_dict(first) if first else None,
            "heads": {name: metrics.to_dict() for name, metrics in self.heads.items()},
            "layers": [_layer_dict(layer) for layer in self.layers],
            "detections": [difference.to_dict() for difference in self.differences],
            "maps": [difference.to_dict() for difference in self.maps],
        }


@dataclass(slots=True)
class _RunningSums:
    """Sums over the images so far."""

    layers: dict[str, MetricSums] = field(default_factory=dict)
    heads: dict[str, MetricSums] = field(default_factory=dict)
    differences: list[DetectionDiff] = field(default_factory=list)
    maps: list[MapDiff] = field(default_factory=list)


def compare_models(
    a: Path,
    b: Path,
    source: Path,
    *,
    num: int = 8,
    threshold: float = 0.98,
    images_dir: Path | None = None,
    observe: Callable[[ComparedImage], None] | None = None,
    progress: Progress = silent,
) -> ModelComparison:
    """Run two models on the same images and compare everything that they share.

    Args:
        a: The reference, usually the float model.
        b: The other model, or a folder of dumped outputs (.npz).
        source: A folder, list or COCO JSON of images; for models that take more than one image or none, samples as
            `edgekit.runtime.array_source.open_samples` takes them.
        num: How many of them.
        threshold: Cosine that every layer and head should reach.
        images_dir: Where side-by-side images go of those that differ most; None: nowhere.
        observe: Called with every image that was compared, as both models see it.
        progress: Called with stage, done and total.

    Returns:
        The comparison.

    Raises:
        EdgekitError: If either is no model, or they share no head.
    """
    opened = open_compared(a), open_compared(b)
    images = compared_items(source, [model.session.spec for model in opened if model.session])[:num]
    if not images:
        raise DataError(f"{source} has no images, expected some", hint="give a folder, list or COCO JSON of images")
    return _compare(*opened, images, threshold=threshold, images_dir=images_dir, observe=observe, progress=progress)


def compare_on_images(
    a: Path,
    b: Path,
    images: Sequence[Path],
    *,
    threshold: float = 0.98,
    images_dir: Path | None = None,
    observe: Callable[[ComparedImage], None] | None = None,
    progress: Progress = silent,
) -> ModelComparison:
    """Compare two models on chosen images, at least one; as `compare_models` otherwise.

    Args:
        a: The reference.
        b: The other model.
        images: Paths of the images.
        threshold: Cosine that every layer and head should reach.
        images_dir: Where side-by-side images go.
        observe: Called with every image that was compared.
        progress: Called with stage, done and total.

    Returns:
        The comparison.
    """
    return _compare(
        open_compared(a),
        open_compared(b),
        images,
        threshold=threshold,
        images_dir=images_dir,
        observe=observe,
        progress=progress,
    )


def _compare(
    model_a: ComparedModel,
    model_b: ComparedModel,
    images: Sequence[ComparedItem],
    *,
    threshold: float,
    images_dir: Path | None,
    observe: Callable[[ComparedImage], None] | None,
    progress: Progress,
) -> ModelComparison:
    _require_same_kind(model_a, model_b)
    _share_names(model_a, model_b)
    pairs = pair_tensors(model_a.tensors, model_b.tensors)
    running = _RunningSums()
    for count, item in enumerate(images, 1):
        compared = _compare_image(item, model_a, model_b, pairs, running)
        if observe is not None:
            observe(replace(compared, index=count - 1, total=len(images)))
        progress("comparing", count, len(images))
    layers = tuple(
        LayerDiff(tensor.node, tensor.op, tensor.key, running.layers[tensor.key].metrics())
        for _, tensor in pairs
        if tensor.key in running.layers
    )
    differences, maps = tuple(running.differences), tuple(running.maps)
    if images_dir is not None and model_a.session and model_b.session:
        sessions, paths = (model_a.session, model_b.session), [path for path in images if isinstance(path, Path)]
        differences = draw_detections(differences, paths, sessions, images_dir)
        maps = draw_maps(maps, paths, sessions, images_dir)
    heads = {name: sums.metrics() for name, sums in running.heads.items()}
    return ModelComparison(model_a.name, model_b.name, len(images), layers, heads, differences, threshold, maps)


def _require_same_kind(a: ComparedModel, b: ComparedModel) -> None:
    if a.session is None or b.session is None:
        return
    spec_a, spec_b = a.session.spec, b.session.spec
    if (spec_a.task, spec_a.num_classes) != (spec_b.task, spec_b.num_classes):
        raise ModelError(
            f"{a.name} does {spec_a.task!r} with {spec_a.num_classes} classes, but {b.name} {spec_b.task!r} with "
            f"{spec_b.num_classes}, expected the same",
            hint="compare two forms of the same model",
        )


def _share_names(a: ComparedModel, b: ComparedModel) -> None:
    """Give an export that only numbers its classes the names of the other model."""
    for model, named in ((a, b), (b, a)):
        session, names = model.session, named.session.spec.names if named.session else ()
        if session and len(session.spec.names) == len(names) and all(name.isdigit() for name in session.spec.names):
            model.session = session.with_names(names)


def pair_tensors(a: Sequence[InnerTensor], b: Sequence[InnerTensor]) -> list[tuple[InnerTensor, InnerTensor]]:
    """Return the tensors that two models name alike.

    Args:
        a: Of the reference.
        b: Of the other model.

    Returns:
        Pairs in the order in which `b` computes them.
    """
    by_key = {tensor.key: tensor for tensor in a}
    return [(by_key[tensor.key], tensor) for tensor in b if tensor.key in by_key]


def _compare_image(
    item: ComparedItem,
    a: ComparedModel,
    b: ComparedModel,
    pairs: list[tuple[InnerTensor, InnerTensor]],
    running: _RunningSums,
) -> ComparedImage:
    path, sample, image_bgr = read_item(item)
    raws, results = [], []
    for index, model in enumerate((a, b)):
        keep = [pair[index].name for pair in pairs]
        if model.session is None:
            raws.append(model.run(stem_of(item), None, keep))
            continue
        inputs, letterbox = model.session.prepare(sample)
        raw = model.run(stem_of(item), inputs, keep)
        raws.append(raw)
        results.append(model.session.decode({h.name: raw[h.name] for h in model.session.spec.outputs}, letterbox))
    layers: dict[str, MetricSums] = {}
    for tensor_a, tensor_b in pairs:
        _add_layer(layers, tensor_b.key, raws[0][tensor_a.name], raws[1][tensor_b.name])
    heads_a, heads_b = head_values(raws[0], a, b), head_values(raws[1], b, a)
    for name in heads_a.keys() & heads_b.keys():
        if heads_a[name].shape == heads_b[name].shape:
            running.heads.setdefault(name, MetricSums()).add(heads_a[name], heads_b[name], fit=False)
    for key, sums in layers.items():
        running.layers.setdefault(key, MetricSums()).merge(sums)
    detections = [of_model for of_model in results if isinstance(of_model, Detections)]
    if len(detections) == 2:
        running.differences.append(diff_detections(path.name, *detections))
    if (of_map := diff_maps(path.name, results)) is not None:
        running.maps.append(of_map)
    cosines = {key: sums.metrics().cosine for key, sums in layers.items()}
    return ComparedImage(path, image_bgr, tuple(results), cosines)


def _add_layer(layers: dict[str, MetricSums], key: str, a: npt.NDArray[Any], b: npt.NDArray[Any]) -> None:
    aligned = in_layout_of(a, b)
    if aligned is None or a.dtype == np.bool_:
        return
    fit = np.issubdtype(a.dtype, np.floating) != np.issubdtype(b.dtype, np.floating)
    layers.setdefault(key, MetricSums()).add(a, aligned, fit=fit)


def in_layout_of(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    """Return `b` with the axes of `a`: as it is, NHWC to NCHW or back; None if no order fits."""
    if a.ndim == b.ndim == 4:
        as_nchw, as_nhwc = b.transpose(NHWC_TO_NCHW), b.transpose(NCHW_TO_NHWC)
        mixed = np.issubdtype(a.dtype, np.floating) and np.issubdtype(b.dtype, np.integer)
        order = (as_nchw, b, as_nhwc) if mixed else (b, as_nchw, as_nhwc)  # integer graphs are NHWC, floats NCHW
        return next((c for c in order if c.shape == a.shape), None)
    return b if a.shape == b.shape else None


def _layer_dict(layer: LayerDiff) -> dict[str, Any]:
    return {"node": layer.node, "op": layer.op, "tensor": layer.tensor, **layer.metrics.to_dict()}
