"""The cut, pass by pass: find the head, re-root there, bring the graph to the toolchain, prove it unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import onnx

from edgekit.errors import ModelError
from edgekit.export.already_cut import cut_again, is_cut
from edgekit.export.attention_heads import SplitAttention, split_attention_heads
from edgekit.export.branch_order import move_branches_forward
from edgekit.export.classify import cut_classifier, is_classifier
from edgekit.export.declared_bounds import with_declared
from edgekit.export.extract_heads import reroot
from edgekit.export.half_precision import holds_halves
from edgekit.export.head_match import HeadMatch
from edgekit.export.input_options import NO_INPUT_OPTIONS, InputOptions, missing_normalization
from edgekit.export.maps import MAP_TASKS, cut_map
from edgekit.export.metadata import read_metadata
from edgekit.export.opset import opset_of, to_opset_11
from edgekit.export.prepare import fix_input, fold_constants, input_notes
from edgekit.export.qdq import holds_qdq, quantization_notes, remove_qdq
from edgekit.export.raw import cut_raw, refuse_control_flow
from edgekit.export.several_inputs import FixedInputs, featuremaps_of, fix_inputs, takes_arrays
from edgekit.export.similarity import fold_similarities
from edgekit.export.softmax_rewrite import name_last_axis, rewrite_softmax
from edgekit.export.stacked_sums import rewrite_stacked_sums
from edgekit.export.stock_export import cut_stock
from edgekit.export.unchanged import prove_heads
from edgekit.export.unsupported import named_error
from edgekit.export.word_attention import rewrite_word_attention
from edgekit.files import atomic_path
from edgekit.graph.declared_quantization import NOTHING_DECLARED
from edgekit.graph.onnx_graph import (
    check_model,
    declared_shape,
    graph_inputs,
    index_graph,
    is_horizon,
    load_model,
    tensor_shapes,
)
from edgekit.progress import Progress, silent
from edgekit.spec import InputSpec, ModelSpec, TaskName, file_ref, load_spec, save_spec, sidecar_path

CPU_OPS = ("Softmax",)  # what the toolchain's checker leaves to the CPU, of all that YOLO graphs hold


@dataclass(frozen=True, slots=True)
class CutOptions:
    """How to cut.

    imgsz_hw: the size for a graph whose height and width are open. branch: "one2many" or "one2one" where a graph
    holds both heads; one-to-many otherwise, see `choose_branch`. keep_softmax: leave attention as it is.
    outputs: tensors that an expert names as heads, each with its role or "", instead of looking for them.
    task: "raw" keeps the outputs as they are, "classify" takes the one output for scores; "" looks. inputs: how the
    model takes its images, where the file does not say it.
    """

    imgsz_hw: tuple[int, int] | None = None
    branch: str = ""
    keep_softmax: bool = False
    outputs: Mapping[str, str] | None = None
    task: Literal[TaskName, ""] = ""
    inputs: InputOptions = NO_INPUT_OPTIONS


DEFAULT_OPTIONS = CutOptions()


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut graph with its sidecar.

    `dropped` says in a few words what was left behind, `rewritten` what changed, `left` what the board's CPU will
    have to do.
    """

    model: onnx.ModelProto
    spec: ModelSpec
    dropped: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def cut_model(
    model_path: Path, output_path: Path, options: CutOptions = DEFAULT_OPTIONS, *, progress: Progress = silent
) -> ModelSpec:
    """Cut a YOLO export at its head convolutions; write the ONNX and the sidecar beside it.

    Args:
        model_path: A stock export or a cut model.
        output_path: The ONNX to write.
        options: Input size, branch and what to keep.
        progress: Called with each stage.

    Returns:
        The sidecar.

    Raises:
        ModelError: The file is no YOLO export that edgekit understands.
        OutputError: The result cannot be written; nothing is left behind.
    """
    return cut_file(model_path, output_path, options, progress=progress).spec


def cut_file(
    model_path: Path, output_path: Path, options: CutOptions = DEFAULT_OPTIONS, *, progress: Progress = silent
) -> Cut:
    """Cut a file as `cut_model` does.

    Args:
        model_path: A stock export or a cut model.
        output_path: The ONNX to write; its sidecar goes beside it.
        options: Input size, branch and what to keep.
        progress: Called with each stage.

    Returns:
        The cut graph, its sidecar and what was dropped.

    Raises:
        ModelError: The file is no YOLO export that edgekit understands.
        OutputError: The result cannot be written; nothing is left behind.
    """
    model_path, output_path = Path(model_path), Path(output_path)
    if output_path.suffix != ".onnx":
        raise ModelError(f"{output_path}: expected a name that ends in .onnx", hint="for example -o heads.onnx")
    if output_path.exists() and model_path.exists() and output_path.samefile(model_path):
        raise ModelError(f"{output_path} is the model itself", hint="choose another name with -o")
    progress("reading the graph", 0, 0)
    model = load_model(model_path)
    known = load_spec(sidecar_path(model_path)) if sidecar_path(model_path).exists() else None
    cut = cut_graph(model, options, known=known, progress=progress)
    with atomic_path(output_path) as unfinished:
        onnx.save(cut.model, str(unfinished))
    files = {"model": file_ref(output_path), "stock": file_ref(model_path)}
    spec = replace(cut.spec, files=files)
    save_spec(sidecar_path(output_path), spec)
    return replace(cut, spec=spec)


def cut_graph(
    model: onnx.ModelProto,
    options: CutOptions = DEFAULT_OPTIONS,
    *,
    known: ModelSpec | None = None,
    progress: Progress = silent,
) -> Cut:
    """Cut a stock graph in memory; one that is cut already is brought to edgekit's names and to NHWC.

    Args:
        model: A stock export or a cut graph; it is not changed.
        options: Input size, branch and what to keep.
        known: The sidecar that came with a cut graph.
        progress: Called with each stage.

    Returns:
        The cut graph, its sidecar and what was dropped.

    Raises:
        ModelError: No head that edgekit decodes; the message says what was looked for.
    """
    _require_float(model)
    refuse_control_flow(model)
    progress("finding the head", 0, 0)
    model, declared = remove_qdq(model) if holds_qdq(model) else (model, NOTHING_DECLARED)
    start, match, joined = _located(model, options, known)
    progress("cutting and proving", 0, 0)
    rooted = reroot(match.source, match.outputs)
    split, rewritten = _for_toolchain(rooted, keep_softmax=options.keep_softmax)
    finished = split.model
    made = {name for node in start.model.graph.node for name in node.output}
    heads_unchanged = all(tensor in made for tensor, _ in match.outputs.values())
    proven = prove_heads(
        start.model if heads_unchanged else match.source,
        finished,
        match.outputs,
        kept=lambda: _lowered(rooted)[0],
        heads_split=lambda: split_attention_heads(_lowered(rooted)[0]).model,
    )
    if declared:
        finished, declared = with_declared(finished, split.declared(declared))
    finished = move_branches_forward(finished)
    check_model(finished, "the cut graph")
    rewritten += joined
    if holds_halves(model):
        rewritten = ("float16 to float32", *rewritten)
    left = tuple(n.name or n.output[0] for n in finished.graph.node if n.op_type in CPU_OPS)
    notes = (*match.spec.notes, *start.notes, *quantization_notes(declared, match.spec.anchors), *proven)
    spec = replace(_with_inputs(match.spec, model, options, known), notes=notes)
    return Cut(finished, spec, match.dropped, rewritten, left)


def _located(
    model: onnx.ModelProto, options: CutOptions, known: ModelSpec | None
) -> tuple[FixedInputs, HeadMatch, tuple[str, ...]]:
    """The graph of fixed size, its heads, and what was written as convolutions to find them."""
    try:
        start = _fixed(model, options, known)
        added, sums = rewrite_stacked_sums(fold_constants(start.model))
        four_axes, attentions = rewrite_word_attention(added)
        joined, similarities = fold_similarities(four_axes)
        match = find_heads(joined, start.size_wh, options, known=known, inputs=start.inputs)
    except ModelError as error:
        named = error if options.outputs or options.task not in ("", "classify") else named_error(model, error)
        if named is error:
            raise
        raise named from error
    texts = [f"sum of stacked maps {name} to additions" for name in sums]
    texts += [f"attention over words {name} to convolutions and maxima over channels" for name in attentions]
    texts += [f"similarity with the classes' embeddings {name} to a convolution" for name in similarities]
    return start, match, tuple(texts)


def _fixed(model: onnx.ModelProto, options: CutOptions, known: ModelSpec | None) -> FixedInputs:
    """The graph with inputs of fixed size: the one image of most models, or what a raw model takes besides."""
    featuremaps = featuremaps_of(options.inputs.featuremaps, known)
    task = options.task or (known.task if known is not None else "")
    if takes_arrays(model, task=task, featuremaps=featuremaps):
        return fix_inputs(model, task=task, featuremaps=featuremaps, imgsz_hw=options.imgsz_hw)
    fixed, size_wh = fix_input(model, options.imgsz_hw)
    return FixedInputs(fixed, size_wh, notes=input_notes(model, options.imgsz_hw))


def _require_float(model: onnx.ModelProto) -> None:
    """Refuse a graph that is quantized already."""
    if is_horizon(model):
        raise ModelError(
            "this graph is quantized already (domain `horizon`), expected a float ONNX",
            hint="cut the stock export; a quantized graph runs as it is: edgekit run --model",
        )


def find_heads(
    model: onnx.ModelProto,
    size_wh: tuple[int, int],
    options: CutOptions,
    *,
    known: ModelSpec | None = None,
    inputs: Sequence[InputSpec] = (),
) -> HeadMatch:
    """The heads of a graph of fixed size: those named, a classifier's logits, those it was cut at, or by structure."""
    index, metadata = index_graph(model), read_metadata(model)
    known_raw = known is not None and known.task == "raw" and options.outputs is None
    if options.task == "raw" or (known_raw and not options.task):
        return cut_raw(index, metadata, size_wh, chosen=options.outputs or (), inputs=inputs)
    if options.task == "classify":
        return cut_classifier(index, metadata, size_wh)
    if options.outputs is not None:
        return cut_again(index, metadata, size_wh, known=known, chosen=options.outputs)
    if is_classifier(index):
        return cut_classifier(index, metadata, size_wh)
    task = options.task or metadata.task
    if task in MAP_TASKS and not is_cut(index):
        return cut_map(index, metadata, size_wh, task)
    if is_cut(index):
        return cut_again(index, metadata, size_wh, known=known)
    return cut_stock(index, metadata, size_wh, branch=options.branch)


def _with_inputs(spec: ModelSpec, model: onnx.ModelProto, options: CutOptions, known: ModelSpec | None) -> ModelSpec:
    """The sidecar with what the options say of the images; refused where nobody says it.

    What Ultralytics exports takes pixels in 0..1; of another classifier or raw graph nothing is known.
    """
    metadata = read_metadata(model)
    described = bool(metadata.task or metadata.family or known)
    takes_images = any(item.is_image for item in spec.inputs)
    if spec.task in ("classify", "raw") and takes_images and not described and not options.inputs.normalized:
        raise missing_normalization(spec.input.name)
    if known is not None and known.task == spec.task == "raw":
        spec = replace(spec, input=known.input, preprocess=known.preprocess, more_inputs=known.more_inputs)
    return options.inputs.applied(spec)


def _for_toolchain(cut: onnx.ModelProto, *, keep_softmax: bool) -> tuple[SplitAttention, tuple[str, ...]]:
    """Opset 11 and, unless unwanted, attention as the BPU computes it."""
    lowered, rewritten = _lowered(cut)
    if keep_softmax:
        return SplitAttention(lowered), rewritten
    exported = {node.name or node.output[0] for node in lowered.graph.node if node.op_type == "Softmax"}
    split = split_attention_heads(lowered)
    finished, names = rewrite_softmax(split.model, _softmax_shapes(split.model))
    return replace(split, model=finished), (
        *rewritten,
        *(f"attention {name} to single heads, channels last" for name in split.names),
        *(f"Softmax {name} to max, subtract, exp, sum, products" for name in names if name in exported),
    )


def _lowered(cut: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Opset 11, and what that changed."""
    ranks = {name: len(shape) for name, shape in _softmax_shapes(cut).items()}
    lowered = to_opset_11(name_last_axis(cut, ranks))
    changed = opset_of(lowered) != opset_of(cut)
    return lowered, (f"opset {opset_of(cut)} to {opset_of(lowered)}",) if changed else ()


def _softmax_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """The shape of what each Softmax reads."""
    names = dict.fromkeys(n.input[0] for n in model.graph.node if n.op_type == "Softmax")
    return tensor_shapes(model, names, declared_shape(graph_inputs(model)[0])) if names else {}
