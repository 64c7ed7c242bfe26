"""Models that edgekit does not decode, named for what they are: asked only of a graph that could not be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx

from edgekit.errors import ModelError
from edgekit.export.head_location import last_learned
from edgekit.graph.onnx_graph import PRODUCTS, GraphIndex, declared_shape, graph_inputs, index_graph
from edgekit.spec import TASK_NAMES


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of model: what to call it, why it is not decoded, what would run, and how it is told."""

    name: str
    why: str
    runs: str
    by_words: tuple[str, ...]  # in what the file says of itself: description, head, task
    by_graph: Callable[[GraphIndex], bool]
    sure: bool = False  # no graph that edgekit supports ends so


def named_error(model: onnx.ModelProto, error: ModelError) -> ModelError:
    """`error`, raised while `model` was read, or what `model` is where edgekit knows its kind and does not support it.

    What the file says of itself is believed, and a graph that ends as no YOLO's does; what it merely looks like is
    said beside what `error` says.
    """
    if not graph_inputs(model) or not model.graph.output:
        return error
    properties = {p.key: p.value for p in model.metadata_props}
    described = properties.get("description", "")[:500].split(" trained on ")[0]  # what follows names the data
    description = " ".join((described, properties.get("head", ""), properties.get("task", ""))).lower()
    by_name = [kind for kind in KINDS if any(word in description for word in kind.by_words)]
    index = index_graph(model)
    by_structure = [kind for kind in KINDS if kind.by_graph(index)]
    if known := [*by_name, *(kind for kind in by_structure if kind.sure)]:
        kind = known[0]
        return ModelError(
            f"this is {kind.name}, which edgekit does not support: {kind.why}",
            hint=f"{kind.runs}; edgekit runs YOLO models for {', '.join(TASK_NAMES)}",
        )
    if by_structure:
        kind = by_structure[0]
        return ModelError(
            f"{error.message}; by its graph it may be {kind.name}, which edgekit does not support: {kind.why}",
            hint=f"if it is: {kind.runs}; if not: {error.hint}",
        )
    return error


def _kinds_of_last_learned(index: GraphIndex) -> set[str]:
    """The kinds of nodes with weights that are met first on the way back from the outputs."""
    return {"product" if node.op_type in PRODUCTS else "Conv" for node in last_learned(index)}


def _shapes(index: GraphIndex) -> list[tuple[int, ...]]:
    return [declared_shape(output) for output in index.model.graph.output]


def _is_dense(index: GraphIndex) -> bool:
    """One output as large as the image, a value or a class for every pixel, of a file that names no task."""
    if any(property.key == "task" and property.value for property in index.model.metadata_props):
        return False
    shapes, size_hw = _shapes(index), declared_shape(graph_inputs(index.model)[0])[2:]
    return len(shapes) == 1 and len(size_hw) == 2 and len(shapes[0]) in (3, 4) and shapes[0][-2:] == size_hw


def _has_queries(index: GraphIndex) -> bool:
    """Rows that matrix products make, not convolutions on a grid."""
    return _kinds_of_last_learned(index) == {"product"} and any(len(shape) == 3 for shape in _shapes(index))


def _has_embeddings(index: GraphIndex) -> bool:
    """Boxes from convolutions, scores from products: with embeddings of words. Rows end with three axes."""
    return _kinds_of_last_learned(index) == {"Conv", "product"} and any(len(shape) == 3 for shape in _shapes(index))


def _is_attending_classifier(index: GraphIndex) -> bool:
    """Scores of classes from layers that normalize tokens and attend to them."""
    if not all(len(shape) == 2 for shape in _shapes(index)):
        return False
    nodes = index.model.graph.node
    normalizes = any(node.op_type == "LayerNormalization" or _is_variance(index, node) for node in nodes)
    return normalizes and sum(_attends(index, node) for node in nodes) > 1


def _is_variance(index: GraphIndex, node: onnx.NodeProto) -> bool:
    """The mean of squared differences: a layer normalization as exports before opset 17 write it."""
    if node.op_type != "ReduceMean":
        return False
    square = index.producers.get(node.input[0])
    difference = (
        index.producers.get(square.input[0]) if square is not None and square.op_type in ("Pow", "Mul") else None
    )
    return difference is not None and difference.op_type == "Sub"


def _attends(index: GraphIndex, node: onnx.NodeProto) -> bool:
    """A product of a softmax with what is computed, too."""
    makers = [index.producers.get(name) for name in node.input]
    made = [maker.op_type for maker in makers if maker is not None]
    return node.op_type == "MatMul" and len(made) == 2 and "Softmax" in made


KINDS = (
    Kind(
        "a transformer detector (RT-DETR, DETR, D-FINE)",
        "its boxes come from queries, not from a grid that could be cut at convolutions",
        "take a YOLO detector of the same data, such as yolo11n or yolov8n",
        ("rtdetr", "rt-detr", "d-fine", "dfine"),
        _has_queries,
        sure=True,
    ),
    Kind(
        "a model of one class or value per pixel that does not name its task",
        "whether its numbers are classes or depths is not said",
        "edgekit cut --task semantic or --task depth where Ultralytics' formulas hold, or --task raw",
        (),
        _is_dense,
    ),
    Kind(
        "an open-vocabulary model (YOLOE, YOLO-World)",
        "its scores are no product of a cell's features with embeddings that stand in the file",
        "export it with its classes set (set_classes) and the image as its one input, or train a YOLO of fixed "
        "classes, such as yolo11n or yolo11n-seg",
        ("yoloe", "world"),
        _has_embeddings,
        sure=True,
    ),
    Kind(
        "a vision transformer (ViT, DeiT, Swin)",
        "its scores come from tokens that attend to each other, not from maps of pixels",
        "take a CNN classifier of the same data, such as yolo11n-cls, resnet18 or mobilenetv3",
        (),
        _is_attending_classifier,
        sure=True,
    ),
)
