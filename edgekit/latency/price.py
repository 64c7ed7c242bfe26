"""What 16 bits cost: milliseconds of a frame with some maps twice as int16, by the latency model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from edgekit.latency.compute import compute_us
from edgekit.latency.frame import frame_timeline
from edgekit.latency.layer import Layer
from edgekit.latency.parameters import LatencyParameters, load_parameters

__all__ = ["WidthPrice"]

FIXED_COST = 0.08  # of the frame, whatever gets 16 bits: the compiler orders the layers anew
MARGIN = 0.4  # beside that; both hold for ten frames of yolov5n and yolo11n that were compiled at O3
QUANTIZED = "_quantized"  # what a compiler adds to the float tensor's name
PREPROCESSED = "HZ_PREPROCESS_FOR_{}_quantized"  # the name of the input's map


class WidthPrice:
    """The frame of one graph for any choice of 16-bit tensors."""

    def __init__(self, layers: Sequence[Layer], *, parameters: LatencyParameters | None = None) -> None:
        """Price a graph.

        Args:
            layers: Those of the build in 8 bits.
            parameters: The fitted factors; those of the package where None.
        """
        self._parameters = parameters or load_parameters()
        self._layers = [layer for layer in layers if not layer.on_cpu]
        self._known: dict[frozenset[str], float] = {}
        self._computed = [compute_us(layer, self._parameters) for layer in self._layers]
        self.base_ms = self.milliseconds(())

    @property
    def band(self) -> float:
        """The share that a frame with 16 bits may be off."""
        return self._parameters.int16.band

    @property
    def margin(self) -> float:
        """The share by which 16 bits inside a graph may cost more than estimated, beside `fixed_cost`."""
        return MARGIN

    @property
    def fixed_cost(self) -> float:
        """The share of the frame that the first 16 bits inside a graph may cost, whatever they are."""
        return FIXED_COST

    def milliseconds(self, int16: Collection[str]) -> float:
        """Return the frame's milliseconds with the float tensors `int16` in 16 bits."""
        names = frozenset(map_name for tensor in int16 for map_name in _map_names(tensor))
        if names not in self._known:
            self._known[names] = self._frame_us(names) / 1e3
        return self._known[names]

    def share(self, int16: Collection[str]) -> float:
        """Return what `int16` adds, as a share of the frame in 8 bits."""
        return self.milliseconds(int16) / self.base_ms - 1

    def _frame_us(self, names: frozenset[str]) -> float:
        fitted = self._parameters
        layers: list[Layer] = []
        computed: list[float] = []
        for old, old_us in zip(self._layers, self._computed, strict=True):
            widened = old.with_bits(names)
            steps = (old,) if widened == old else _in_two_steps(widened)
            layers += steps
            computed += [old_us if step is old else compute_us(step, fitted) for step in steps]
        made, _ = frame_timeline(layers, computed, scales=fitted.scales, on_chip=fitted.spill, channel=fitted.channel)
        return made.frame_us


def _in_two_steps(layer: Layer) -> tuple[Layer, ...]:
    """The layer, and the rescaling behind a convolution of 16-bit maps: it drops a byte of its sums at least.

    Its result then has a larger range than the tensor's own, in 16 bits; both compilers bring it to its scale and width
    behind it (now and then the range is large enough without).
    """
    result = layer.outputs[0]
    if layer.op != "Conv" or layer.inputs[0].bits == 8 or result.bits == 32:
        return (layer,)
    raw = replace(result, name=f"{result.name}_raw", bits=16)
    convolution = replace(layer, outputs=(raw,), strided_readers=False, transposed_readers=False, is_output=False)
    rescaling = Layer(
        name=f"{layer.name}_rescaled",
        op="Requantize",
        inputs=(raw,),
        outputs=(result,),
        strided_readers=layer.strided_readers,
        transposed_readers=layer.transposed_readers,
        is_output=layer.is_output,
    )
    return convolution, rescaling


def _map_names(tensor: str) -> tuple[str, str]:
    return f"{tensor}{QUANTIZED}", PREPROCESSED.format(tensor)
