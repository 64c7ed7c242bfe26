"""The cut, pass by pass: find the head, prove what it means, re-root the graph there, bring it to the toolchain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from edgekit.decode.families import formulas
from edgekit.errors import ModelError
from edgekit.files import atomic_path
from edgekit.host.cut.attention import name_last_axis, rewrite_softmax
from edgekit.host.cut.classify import is_classifier, logits_as_convolution
from edgekit.host.cut.heads import Branch, find_branches, proto_output
from edgekit.host.cut.metadata import Metadata, class_names, read_metadata
from edgekit.host.cut.opset import opset_of, to_opset_11
from edgekit.host.cut.prepare import INPUT_KINDS, fix_input, fold_constants
from edgekit.host.cut.probe import open_tail
from edgekit.host.cut.proof import prove_decoder
from edgekit.host.cut.reading import Reading, read_branch
from edgekit.host.cut.recut import head_tensors, is_cut
from edgekit.host.cut.reroot import reroot
from edgekit.host.graph import (
    GraphIndex,
    check_model,
    declared_shape,
    extract,
    graph_inputs,
    index_graph,
    is_horizon,
    load_model,
    open_session,
    tensor_shapes,
)
from edgekit.progress import Progress, silent
from edgekit.spec import HeadSpec, InputSpec, ModelSpec, Preprocess, file_ref, load_spec, save_spec, sidecar_path
from edgekit.version import __version__

HEAD_TOLERANCE = 1e-3  # relative to a head's largest value: rounding of rewritten, not of wrong, arithmetic
Outputs = dict[str, tuple[str, tuple[int, ...]]]  # new name -> (tensor, its shape NCHW)


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut graph with its sidecar; `dropped` says in a few words what was left behind, `rewritten` what changed."""

    model: onnx.ModelProto
    spec: ModelSpec
    dropped: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()


def cut_model(
    model_path: Path,
    output_path: Path,
    *,
    imgsz_hw: tuple[int, int] | None = None,
    branch: str = "",
    keep_softmax: bool = False,
    progress: Progress = silent,
) -> ModelSpec:
    """Cuts `model_path` at its head, writes `output_path` and the sidecar beside it; returns the sidecar.

    Raises ModelError where the file is no YOLO export that edgekit understands, and OutputError where the
    result cannot be written; nothing is left behind then. For the arguments see `cut_graph`.
    """
    cut = cut_file(
        model_path, output_path, imgsz_hw=imgsz_hw, branch=branch, keep_softmax=keep_softmax, progress=progress
    )
    return cut.spec


def cut_file(
    model_path: Path,
    output_path: Path,
    *,
    imgsz_hw: tuple[int, int] | None = None,
    branch: str = "",
    keep_softmax: bool = False,
    progress: Progress = silent,
) -> Cut:
    """As `cut_model`, with the graph and what was dropped."""
    model_path, output_path = Path(model_path), Path(output_path)
    if output_path.suffix != ".onnx":
        raise ModelError(f"{output_path}: expected a name that ends in .onnx", hint="for example -o heads.onnx")
    if output_path.exists() and model_path.exists() and output_path.samefile(model_path):
        raise ModelError(f"{output_path} is the model itself", hint="choose another name with -o")
    progress("reading the graph", 0, 0)
    model = load_model(model_path)
    known = load_spec(sidecar_path(model_path)) if sidecar_path(model_path).exists() else None
    cut = cut_graph(model, imgsz_hw=imgsz_hw, branch=branch, keep_softmax=keep_softmax, known=known, progress=progress)
    with atomic_path(output_path) as unfinished:
        onnx.save(cut.model, str(unfinished))
    files = {"model": file_ref(output_path), "stock": file_ref(model_path)}
    spec = replace(cut.spec, files=files)
    save_spec(sidecar_path(output_path), spec)
    return replace(cut, spec=spec)


def cut_graph(
    model: onnx.ModelProto,
    *,
    imgsz_hw: tuple[int, int] | None = None,
    branch: str = "",
    keep_softmax: bool = False,
    known: ModelSpec | None = None,
    progress: Progress = silent,
) -> Cut:
    """Cuts a stock graph in memory; one that is cut already is brought to edgekit's names and NHWC.

    imgsz_hw: the size for a graph whose height and width are open. branch: "one2many" or "one2one" where a graph
    holds both; one-to-many otherwise, see `choose_branch`. keep_softmax: leave attention as it is.
    known: the sidecar of a graph that is cut already, which says what its outputs are.
    Raises ModelError saying what was looked for and not found.
    """
    if is_horizon(model):
        raise ModelError(
            "this graph is quantized already (domain `horizon`), expected a float ONNX",
            hint="cut the stock export; a quantized graph runs as it is: edgekit run --model",
        )
    metadata = read_metadata(model)
    fixed, size_wh = fix_input(model, imgsz_hw)
    folded = fold_constants(fixed)
    index = index_graph(folded)
    progress("finding the head", 0, 0)
    if is_classifier(index):
        source, spec, outputs, dropped = _cut_classifier(index, metadata, size_wh)
    elif is_cut(index):
        source, spec, outputs, dropped = _cut_again(index, metadata, size_wh, known)
    else:
        source, spec, outputs, dropped = _cut_stock(index, metadata, size_wh, branch)
    progress("cutting and proving", 0, 0)
    cut = reroot(source, outputs)
    finished, rewritten = _for_toolchain(cut, keep_softmax=keep_softmax)
    made = {name for node in fixed.graph.node for name in node.output}
    as_given = all(tensor in made for tensor, _ in outputs.values())
    _prove_heads(fixed if as_given else source, finished, outputs)
    check_model(finished, "the cut graph")
    return Cut(finished, spec, dropped, rewritten)


def choose_branch(branches: tuple[Branch, ...], wanted: str) -> tuple[Branch, tuple[str, ...]]:
    """The branch to keep, and what to say of the other.

    One-to-many by default: its neighbours overlap and NMS picks among them, so that rounding to 8 bits moves a
    score without consequence; a one-to-one head must rank a single cell above its neighbours by a small margin.
    """
    by_kind = {("one2one" if _is_one_to_one(b) else "one2many"): b for b in branches}
    if wanted and wanted not in by_kind:
        raise ModelError(
            f"the graph has no {wanted} branch, only {', '.join(by_kind)}",
            hint="leave --branch out to keep what is there",
        )
    kind = wanted or ("one2many" if "one2many" in by_kind else "one2one")
    others = [other for other in by_kind if other != kind]
    if len(by_kind) < len(branches):
        raise ModelError(
            f"the graph has {len(branches)} heads that cannot be told apart, expected one-to-many and one-to-one",
            hint="export with one head, or name the tensors: edgekit cut --outputs box_8=NAME,...",
        )
    return by_kind[kind], tuple(f"the {other} branch" for other in others)


def _is_one_to_one(branch: Branch) -> bool:
    """Named so, or cut down to its best rows without suppression."""
    selected = bool(branch.selection) and "NonMaxSuppression" not in branch.selection
    return selected or any("one2one" in m.tensor for m in branch.maps)


def _cut_stock(
    index: GraphIndex, metadata: Metadata, size_wh: tuple[int, int], wanted: str
) -> tuple[onnx.ModelProto, ModelSpec, Outputs, tuple[str, ...]]:
    proto = proto_output(index)
    branch, dropped = choose_branch(find_branches(index, size_wh), wanted)
    tail = open_tail(index.model, branch)
    reading = read_branch(tail, metadata, has_proto=bool(proto))
    outputs: Outputs = {f"{r.role}_{r.map.stride}": (r.map.tensor, r.map.shape) for r in _sorted_roles(reading)}
    if proto:
        outputs["proto"] = (proto, tensor_shapes(index.model, [proto], (1, 3, size_wh[1], size_wh[0]))[proto])
    spec = _stock_spec(index, reading, outputs, size_wh, end_to_end=False)
    proof = prove_decoder(tail, reading, spec)
    spec = replace(spec, end_to_end=_is_one_to_one(branch) or proof.corners)
    behind = len(index.model.graph.node) - len(extract(index.model, {}, [t for t, _ in outputs.values()]).graph.node)
    selection = "selection of the best rows, " if branch.selection else ""
    return index.model, spec, outputs, (*dropped, f"{behind} nodes of decoding ({selection}{_decoding(reading)})")


def _sorted_roles(reading: Reading) -> list:  # type: ignore[type-arg]
    order = ("box", "class", "mask", "keypoint", "angle", "object")
    return sorted(reading.roles, key=lambda r: (r.map.stride, order.index(r.role)))


def _decoding(reading: Reading) -> str:
    if formulas(reading.family).anchors:
        return "anchor boxes, sigmoid"
    return ("DFL, " if reading.reg_max > 1 else "") + "boxes, sigmoid"


def _stock_spec(
    index: GraphIndex, reading: Reading, outputs: Outputs, size_wh: tuple[int, int], *, end_to_end: bool
) -> ModelSpec:
    heads = tuple(_head(name, shape, size_wh) for name, (_, shape) in outputs.items())
    return ModelSpec(
        task=reading.task,
        names=reading.names,
        input=_input_spec(index),
        preprocess=Preprocess(*size_wh),
        outputs=heads,
        stage="heads",
        family=reading.family,
        reg_max=reading.reg_max,
        anchors=reading.anchors,
        end_to_end=end_to_end,
        keypoint_shape=reading.keypoint_shape,
        tools={"edgekit": __version__, "onnx": onnx.__version__},
        notes=reading.notes,
    )


def _head(name: str, shape_nchw: tuple[int, ...], size_wh: tuple[int, int]) -> HeadSpec:
    _, c, h, w = shape_nchw
    return HeadSpec(name, name.split("_")[0], (1, h, w, c), size_wh[0] // w)


def _input_spec(index: GraphIndex) -> InputSpec:
    value = graph_inputs(index.model)[0]
    return InputSpec(value.name, INPUT_KINDS[declared_shape(value)[1]], "NCHW")


def _cut_classifier(
    index: GraphIndex, metadata: Metadata, size_wh: tuple[int, int]
) -> tuple[onnx.ModelProto, ModelSpec, Outputs, tuple[str, ...]]:
    model, tensor, shape = logits_as_convolution(index, size_wh)
    if metadata.task not in ("", "classify"):
        raise ModelError(f"metadata task {metadata.task!r}, but the graph is a classifier", hint="export again")
    names, notes = class_names(metadata, shape[1])
    spec = ModelSpec(
        task="classify",
        names=names,
        input=_input_spec(index),
        preprocess=Preprocess(*size_wh),
        outputs=(HeadSpec("class", "class", (1, 1, 1, shape[1])),),
        family=metadata.family,
        tools={"edgekit": __version__, "onnx": onnx.__version__},
        notes=notes,
    )
    return model, spec, {"class": (tensor, shape)}, ("the softmax", "the flattening before the last product")


def _cut_again(
    index: GraphIndex, metadata: Metadata, size_wh: tuple[int, int], known: ModelSpec | None
) -> tuple[onnx.ModelProto, ModelSpec, Outputs, tuple[str, ...]]:
    """A graph that ends in head maps already: told by its sidecar or its names and shapes, given edgekit's names."""
    tensors, spec = head_tensors(index, metadata, size_wh, known if known and known.stage == "heads" else None)
    outputs: Outputs = {}
    heads = []
    for head in sorted(spec.outputs, key=lambda h: (h.role == "proto", h.stride)):
        name = head.role if head.role in ("proto", "class") and not (head.role == "class" and head.stride) else ""
        name = name or f"{head.role}_{head.stride}"
        _, h, w, c = head.shape
        outputs[name] = (tensors[head.name], (1, c, h, w))
        heads.append(replace(head, name=name))
    return index.model, replace(spec, outputs=tuple(heads)), outputs, ()


def _for_toolchain(cut: onnx.ModelProto, *, keep_softmax: bool) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Opset 11 and, unless unwanted, no Softmax in attention."""
    rewritten = []
    softmax_inputs = dict.fromkeys(n.input[0] for n in cut.graph.node if n.op_type == "Softmax")
    shapes = tensor_shapes(cut, softmax_inputs, declared_shape(graph_inputs(cut)[0])) if softmax_inputs else {}
    ranks = {name: len(shape) for name, shape in shapes.items()}
    lowered = to_opset_11(name_last_axis(cut, ranks))
    if opset_of(lowered) != opset_of(cut):
        rewritten.append(f"opset {opset_of(cut)} to {opset_of(lowered)}")
    if not keep_softmax:
        lowered, names = rewrite_softmax(lowered, ranks)
        rewritten += [f"Softmax {name} to max, subtract, exp, sum, divide" for name in names]
    return lowered, tuple(rewritten)


def _prove_heads(source: onnx.ModelProto, cut: onnx.ModelProto, outputs: Outputs) -> None:
    """The cut graph must give the values that the stock graph has at the same places, on a picture of noise."""
    value = graph_inputs(source)[0]
    picture = np.random.default_rng(0).random(declared_shape(value), np.float32)
    before = open_session(extract(source, {}, dict.fromkeys(t for t, _ in outputs.values())))({value.name: picture})
    after = open_session(cut)({value.name: picture})
    for name, (tensor, _) in outputs.items():
        expected = before[tensor].transpose(0, 2, 3, 1)
        difference = float(np.abs(after[name] - expected).max() / max(1.0, np.abs(expected).max()))
        if not difference <= HEAD_TOLERANCE:
            raise ModelError(
                f"output {name!r} of the cut graph differs from the stock graph's {tensor!r} by {difference:.3g} of "
                f"its largest value, expected at most {HEAD_TOLERANCE}",
                hint="export with opset=11; if it stays, keep attention as it is: edgekit cut --keep-softmax",
            )
