"""What would make a model faster, in milliseconds of the estimate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from edgekit.latency.compute import compute_us
from edgekit.latency.estimate import MEMORY, Estimate, LayerEstimate, estimate_layers, inner_cpu_layers
from edgekit.latency.features import unit_of
from edgekit.latency.layer import FeatureMap, Layer
from edgekit.latency.parameters import LatencyParameters

__all__ = ["Saving", "advise", "widths_saved"]

MIN_SHARE = 0.01  # of the frame: what saves less is not worth a line
MIN_LAYER_SHARE = 0.04  # the same for a single layer that the BPU does badly
STRIDE = 32  # what the sides of an input are multiples of
SMALLER = 0.8  # of the side: 640 becomes 512
LAYOUT = ("Reshape", "ToChannelsFirst", "ToChannelsLast", "Transpose", "Split", "Matmul")
BADLY_DONE = {
    "ResizeUpsample": "enlarging a map",
    "RoiResize": "an interpolated resize",
    "MaxPool": "a pooling in 16 bits",
    "Lut2Layer": "an activation in 16 bits that leaves the BPU",
}
SHOWN_TENSORS = 3
MIN_TAIL_LAYERS = 3  # a classifier's pooling and reshaping are none
CONVOLUTIONS = ("Conv", "ConvTranspose")
ON_BPU_HINT = "put them on the BPU (node_info ON: BPU), or cut the model there"
SOFTMAX_HINT = "the yaml's optimization: set_Softmax_input_int8,set_Softmax_output_int8 puts them on the BPU"


@dataclass(frozen=True, slots=True)
class Saving:
    """A change and the milliseconds that it would take off the frame, by the estimate."""

    what: str
    milliseconds: float
    how: str


def advise(layers: Sequence[Layer], estimate: Estimate, parameters: LatencyParameters) -> tuple[Saving, ...]:
    """Name what would make the model faster.

    Args:
        layers: The graph's layers, those of the estimate among them.
        estimate: The estimate of these layers.
        parameters: What it was made with.

    Returns:
        The changes that save enough, the largest first.
    """
    by_name = {layer.name: layer for layer in layers}
    savings = [
        *_smaller_input(layers, estimate),
        *_attention(by_name, estimate),
        *_sixteen_bits(layers, estimate, parameters),
        *_outputs(layers, estimate, parameters),
        *_badly_done(estimate, parameters),
        *_cpu_nodes(layers, estimate),
        *_tail(layers, estimate),
    ]
    kept = [saving for saving in savings if saving.milliseconds * 1e3 >= MIN_SHARE * estimate.frame_us]
    return tuple(sorted(kept, key=lambda saving: (-saving.milliseconds, saving.what)))


def widths_saved(layers: Sequence[Layer], parameters: LatencyParameters) -> dict[str, float]:
    """Return what each map in 16 bits costs beyond 8: its name and microseconds, most first.

    Results of convolutions that leave the BPU are none of them: in place of 16 bits they would have 32.
    """
    readers: dict[str, list[Layer]] = {}
    leaving = {layer.outputs[0].name for layer in layers if layer.is_output and layer.op == "Conv"}
    for layer in layers:
        for feature_map in (*layer.inputs, *layer.outputs):
            if feature_map.bits == 16 and not layer.on_cpu and feature_map.name not in leaving:
                readers.setdefault(feature_map.name, []).append(layer)
    saved = {
        name: sum(
            parameters.scales[unit_of(layer)]
            * (compute_us(layer, parameters) - compute_us(_narrowed(layer, name), parameters))
            for layer in touched
        )
        for name, touched in readers.items()
    }
    return dict(sorted(saved.items(), key=lambda row: (-row[1], row[0])))


def _narrowed(layer: Layer, name: str) -> Layer:
    def in_int8(maps: Sequence[FeatureMap]) -> tuple[FeatureMap, ...]:
        return tuple(replace(feature_map, bits=8) if feature_map.name == name else feature_map for feature_map in maps)

    return replace(layer, inputs=in_int8(layer.inputs), outputs=in_int8(layer.outputs))


def _smaller_input(layers: Sequence[Layer], estimate: Estimate) -> Iterator[Saving]:
    """Maps shrink with the input's area; weights, and what waits for them, do not."""
    image = next((layer.inputs[0] for layer in layers if layer.is_input and layer.inputs), None)
    if image is None:
        return
    _, height, width, _ = image.nhwc
    smaller = [round(SMALLER * side / STRIDE) * STRIDE for side in (height, width)]
    if min(smaller) < STRIDE or smaller == [height, width]:
        return
    area = smaller[0] * smaller[1] / (height * width)
    scaled = sum(layer.frame_us for layer in estimate.layers if layer.bound != MEMORY)
    yield Saving(
        f"an input of {smaller[1]}x{smaller[0]} in place of {width}x{height}",
        scaled * (1 - area) / 1e3,
        f"export again with imgsz={smaller[0]}, then measure what the accuracy loses (edgekit eval)",
    )


def _attention(by_name: dict[str, Layer], estimate: Estimate) -> Iterator[Saving]:
    """Moving rows about between the matrix products of attention."""
    blocks: dict[str, float] = {}
    has_product = {_block(layer.name) for layer in estimate.layers if layer.op == "Matmul"}
    for layer in estimate.layers:
        if layer.op in LAYOUT and layer.op != "Matmul" and _block(layer.name) in has_product:
            blocks[_block(layer.name)] = blocks.get(_block(layer.name), 0.0) + layer.frame_us
    if blocks:
        names = sorted(blocks, key=lambda name: -blocks[name])
        yield Saving(
            f"the attention of {', '.join(names)} without its reshapes and transpositions",
            sum(blocks.values()) / 1e3,
            "choose a model without attention (YOLOv8), or smaller maps at the block",
        )


def _block(name: str) -> str:
    """The block of the network that a node belongs to: "/model.10/m/m.0/attn/MatMul" is "model.10"."""
    return next((part for part in name.split("/") if part), name)


def _sixteen_bits(layers: Sequence[Layer], estimate: Estimate, parameters: LatencyParameters) -> Iterator[Saving]:
    for name, us in list(widths_saved(layers, parameters).items())[:SHOWN_TENSORS]:
        yield Saving(
            f"8 bits for {name}",
            us / 1e3,
            "leave its node out of node_info; edgekit tune says what its 16 bits bring",
        )


def _badly_done(estimate: Estimate, parameters: LatencyParameters) -> Iterator[Saving]:
    for layer in estimate.layers:
        what = BADLY_DONE.get(layer.op)
        if what and layer.frame_us > MIN_LAYER_SHARE * estimate.frame_us and _is_bad(layer):
            yield Saving(
                f"{what}: {layer.name}", layer.frame_us / 1e3, "the BPU does this slowly: avoid it in the model"
            )


def _cpu_nodes(layers: Sequence[Layer], estimate: Estimate) -> Iterator[Saving]:
    """Nodes that interrupt the BPU: each hands its maps over to the CPU and back."""
    if estimate.cpu_nodes:
        names = ", ".join(estimate.cpu_nodes[:SHOWN_TENSORS])
        kinds = {layer.op for layer in inner_cpu_layers(layers)} - {"Quantize", "Dequantize"}
        yield Saving(
            f"{len(estimate.cpu_nodes)} nodes on the CPU within the BPU's part ({names}), and the copies around them",
            estimate.cpu_us / 1e3,
            SOFTMAX_HINT if kinds == {"Softmax"} else ON_BPU_HINT,
        )


def _outputs(layers: Sequence[Layer], estimate: Estimate, parameters: LatencyParameters) -> Iterator[Saving]:
    """Accumulators that leave the BPU: 16 bits of each are half the bytes to write."""
    names = frozenset(
        layer.outputs[0].name
        for layer in layers
        if layer.is_output and not layer.on_cpu and layer.outputs[0].bits == 32
    )
    if names:
        shorter = estimate_layers([layer.with_bits(names) for layer in layers], parameters=parameters)
        plural = "s" if len(names) > 1 else ""
        yield Saving(
            f"{len(names)} output{plural} in 16 bits in place of 32",
            (estimate.frame_us - shorter.frame_us) / 1e3,
            "edgekit tune gives them 16 bits where nothing is lost by it",
        )


def _tail(layers: Sequence[Layer], estimate: Estimate) -> Iterator[Saving]:
    """What a head does behind its last convolutions: edgekit's decoder does it on the CPU, in its one pass."""
    reaches = _reaching_convolutions(layers)
    tail = {layer.name for layer in layers if layer.op not in CONVOLUTIONS and layer.name not in reaches}
    saved = [layer for layer in estimate.layers if layer.name in tail and not _is_first(layers, layer.name)]
    if len(saved) >= MIN_TAIL_LAYERS:
        yield Saving(
            f"a head cut at its last convolutions, without the {len(saved)} layers behind them ({saved[0].name} first)",
            sum(layer.frame_us for layer in saved) / 1e3,
            "cut the stock ONNX with edgekit cut; its decoder does the rest",
        )


def _reaching_convolutions(layers: Sequence[Layer]) -> frozenset[str]:
    """The names of the layers that a convolution reads from, near or far."""
    needed: set[str] = set()
    reaching: set[str] = set()
    for layer in reversed(layers):
        written = {feature_map.name for feature_map in layer.outputs}
        if layer.op in CONVOLUTIONS or written & needed:
            needed |= {feature_map.name for feature_map in layer.inputs}
            if written & needed or layer.op not in CONVOLUTIONS:
                reaching.add(layer.name)
    return frozenset(reaching)


def _is_first(layers: Sequence[Layer], name: str) -> bool:
    return any(layer.is_input and layer.name == name for layer in layers)


def _is_bad(layer: LayerEstimate) -> bool:
    return layer.op not in ("MaxPool", "Lut2Layer") or layer.bits > 8
