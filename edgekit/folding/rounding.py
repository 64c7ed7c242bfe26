"""Rounding weights to int8 with error compensation, so that the rounding errors of one output cancel on real inputs.

Frantar et al. 2023, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", algorithm 1:
weights are rounded one input after the other, and what that changes in the output is taken back by the inputs that are
still to come, as far as calibration images show them to go together. The bias takes back the rest of the mean.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.bpu import WEIGHT_MAX
from edgekit.calibration.samples import evenly_spaced, samples_of
from edgekit.folding.convolution import (
    BIAS,
    WEIGHT,
    Convolution,
    by_group,
    from_groups,
    read_convolution,
    set_constant,
)
from edgekit.graph.float_graph import FloatGraph, FloatNode
from edgekit.graph.float_runner import FloatRunner
from edgekit.graph.onnx_graph import index_graph
from edgekit.progress import Progress, silent
from edgekit.sim.compiler.prepared_model import PreparedModel

__all__ = ["rounded_model", "rounded_weight"]

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

IMAGES = 24  # of the calibration set
PATCHES = 600  # of each image, at seeded positions
DAMPING = 0.01  # of the inputs' mean variance, added to each: inputs that hardly vary make up for nothing
LEAST_VARIANCE = 1e-12  # keeps a convolution solvable whose inputs are constant
MOST_INPUTS = 6000  # of one output: the work grows with their cube, the memory with their square
BLOCK = 128  # inputs whose errors are handed on together
PORTION_BYTES = 1 << 30  # of covariances that are kept at once


def rounded_model(prepared: PreparedModel, *, progress: Progress = silent) -> tuple[onnx.ModelProto, int]:
    """Return a float graph whose convolutions have weights on the int8 grid, rounded with error compensation.

    The step of each output channel stays: its largest weight keeps its place at the end of the grid, so that a compiler
    that rounds to the nearest finds the same integers. Some convolutions stay as they are: those whose weights the
    compiler does not see as the file has them (a folded normalisation), those on a grid that the model declares,
    transposed ones, those with more than `MOST_INPUTS` inputs per output, and those with weights that are not finite.

    Args:
        prepared: The model, with its calibration files.
        progress: Called per calibration image.

    Returns:
        The graph, and the number of rounded convolutions.
    """
    model = onnx.load(prepared.job.onnx_path)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    written = {str(node.name): node for node in result.graph.node}
    inputs = _roundable(model, prepared.graph)
    for portion in _portions(inputs):
        _observe(prepared, portion, progress)
        for done, each in enumerate(portion):
            progress("rounding weights", done, len(portion))
            weight, bias = each.rounded()
            name = each.convolution.output
            set_constant(result, written[each.node.name], WEIGHT, weight, f"{name}_weight")
            set_constant(result, written[each.node.name], BIAS, bias, f"{name}_bias")
            each.forget()
        progress("rounding weights", len(portion), len(portion))
    return result, len(inputs)


def rounded_weight(weight: Float64Array, covariance: Float64Array) -> Float64Array:
    """Round weights to their int8 grids, each taking back the errors of those before it.

    Args:
        weight: (outputs, inputs); the step of a row is its largest magnitude over 127.
        covariance: (inputs, inputs) of the inputs.

    Returns:
        (outputs, inputs): multiples of each row's step. Its largest weight stays.
    """
    count = len(covariance)
    variances = np.diag(covariance)
    order = np.argsort(-variances, kind="stable")  # what varies most is rounded while most can make up for it
    damped = covariance[np.ix_(order, order)]
    damped[np.diag_indices(count)] += DAMPING * float(variances.mean()) + LEAST_VARIANCE
    factor: Float64Array = np.linalg.cholesky(np.linalg.inv(damped)).T  # its rows say who takes back how much
    left = weight[:, order]
    peaks, rows = np.abs(left).argmax(axis=1), np.arange(len(left))
    step = np.maximum(np.abs(left[rows, peaks]) / WEIGHT_MAX, np.finfo(np.float64).tiny)
    largest = WEIGHT_MAX * np.sign(left[rows, peaks])
    integers = np.zeros_like(left)
    for begin in range(0, count, BLOCK):
        end = min(begin + BLOCK, count)
        errors = np.zeros((len(left), end - begin))
        for i in range(begin, end):
            nearest = np.clip(np.rint(left[:, i] / step), -WEIGHT_MAX, WEIGHT_MAX)
            integers[:, i] = np.where(peaks == i, largest, nearest)
            errors[:, i - begin] = (left[:, i] - integers[:, i] * step) / factor[i, i]
            left[:, i:end] -= errors[:, i - begin, None] * factor[i, i:end]
        left[:, end:] -= errors @ factor[begin:end, end:]
    result = np.empty_like(integers)
    result[:, order] = integers * step[:, None]
    return result


class _Inputs:
    """A convolution and the covariance of its inputs, as sums over patches per group.

    Deviations from the first image's mean are summed: of inputs that hardly vary nothing else would be left.
    """

    def __init__(self, convolution: Convolution, node: FloatNode) -> None:
        self.convolution, self.node = convolution, node
        self._grouped = by_group(convolution.weight, group=convolution.group, transposed=False)
        self.count = math.prod(self._grouped.shape[2:])  # inputs of one output
        self._rng = np.random.default_rng(0)
        self.forget()

    @property
    def nbytes(self) -> int:
        """Bytes that the sums take."""
        return 8 * self.convolution.group * self.count * (self.count + 1)

    def forget(self) -> None:
        """Drop the sums."""
        self._patches = 0
        self._products, self._sums, self._centre = np.zeros(0), np.zeros(0), np.zeros(0)

    def observe(self, x: Float32Array) -> None:
        """Add patches of one image's input (1, C, H, W), at random positions."""
        patches = self._cut(x).astype(np.float64)
        if not self._patches:
            self._products = np.zeros((len(patches), self.count, self.count))
            self._sums = np.zeros((len(patches), self.count))
            self._centre = patches.mean(axis=1, keepdims=True)
        with np.errstate(over="ignore", invalid="ignore"):  # `rounded` sees what came of it
            deviations = patches - self._centre
            self._products += deviations.swapaxes(1, 2) @ deviations
            self._sums += deviations.sum(axis=1)
        self._patches += patches.shape[1]

    def rounded(self) -> tuple[Float32Array, Float32Array]:
        """Return the weight in ONNX's layout and the bias (O,)."""
        first = np.zeros(self.convolution.out_channels) if self.convolution.bias is None else self.convolution.bias
        if not np.isfinite(self._products).all():  # the float model itself overflows there
            return self.convolution.weight, np.asarray(first, np.float32)
        offsets = self._sums / self._patches  # of the means from the centre
        groups, shifts = [], []
        means = self._centre[:, 0] + offsets
        for rows, products, offset, mean in zip(self._grouped, self._products, offsets, means, strict=True):
            weight = rows.reshape(len(rows), -1).astype(np.float64)
            rounded = rounded_weight(weight, products / self._patches - np.outer(offset, offset))
            groups.append(rounded.reshape(rows.shape))
            shifts.append((weight - rounded) @ mean)
        result = from_groups(np.stack(groups), transposed=False)
        return result.astype(np.float32), (first + np.concatenate(shifts)).astype(np.float32)

    def _cut(self, x: Float32Array) -> Float32Array:
        """(groups, n, inputs): what the outputs at n positions multiply."""
        attrs, (height, width) = self.node.attrs, self._grouped.shape[3:]
        top, left, bottom, right = attrs.get("pads", [0] * 4)
        (down, along), (dy, dx) = attrs.get("strides", [1, 1]), attrs.get("dilations", [1, 1])
        padded = np.pad(x[0], ((0, 0), (top, bottom), (left, right)))
        span_y, span_x = dy * (height - 1) + 1, dx * (width - 1) + 1
        windows = np.lib.stride_tricks.sliding_window_view(padded, (span_y, span_x), axis=(1, 2))
        windows = windows[:, ::down, ::along, ::dy, ::dx]
        positions = windows.shape[1] * windows.shape[2]
        ys, xs = np.divmod(self._rng.choice(positions, min(positions, PATCHES), replace=False), windows.shape[2])
        groups = windows[:, ys, xs].swapaxes(0, 1)  # (n, C, kh, kw)
        return groups.reshape(len(ys), self.convolution.group, -1).swapaxes(0, 1).astype(np.float32)


def _roundable(model: onnx.ModelProto, graph: FloatGraph) -> list[_Inputs]:
    """Convolutions of the file whose weights the compiler sees as they are."""
    index, nodes = index_graph(model), {node.name: node for node in graph.nodes if node.op == "Conv"}
    counts = Counter(str(node.name) for node in model.graph.node)
    result = []
    for written in model.graph.node:
        convolution, node = read_convolution(index, written), nodes.get(str(written.name))
        if convolution is None or node is None or counts[node.name] > 1:
            continue
        weight = graph.constants[node.inputs[1]]
        is_free = graph.declared.grid(node.inputs[1], weight, axis=0) is None
        is_usual = weight[0].size <= MOST_INPUTS and np.isfinite(weight).all()
        if is_free and is_usual and np.array_equal(weight, convolution.weight):
            result.append(_Inputs(convolution, node))
    return result


def _portions(inputs: Sequence[_Inputs]) -> Iterator[list[_Inputs]]:
    """The convolutions in order, cut where their sums would pass `PORTION_BYTES`."""
    portion: list[_Inputs] = []
    for each in inputs:
        if portion and sum(item.nbytes for item in portion) + each.nbytes > PORTION_BYTES:
            yield portion
            portion = []
        portion.append(each)
    if portion:
        yield portion


def _observe(prepared: PreparedModel, inputs: Sequence[_Inputs], progress: Progress) -> None:
    """Run the float model on calibration images and let each convolution see its inputs."""
    files = evenly_spaced(prepared.job.calibration_files, IMAGES)
    readers: dict[str, list[_Inputs]] = {}
    for each in inputs:
        readers.setdefault(each.convolution.input, []).append(each)
    runner = FloatRunner(prepared.job.onnx_path, list(readers))
    samples = samples_of(prepared.job)
    for done, path in enumerate(files):
        progress("inputs of convolutions", done, len(files))
        feeds = samples.read(path)
        fed = [(name, x) for name, x in feeds.items() if name in readers]
        for name, values in (*fed, *runner.run(feeds)):
            for each in readers[name]:
                each.observe(values)
    progress("inputs of convolutions", len(files), len(files))
