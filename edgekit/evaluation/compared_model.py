"""A model to compare: one whose every tensor can be read, or a folder of outputs dumped on a board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from edgekit.array_files import read_arrays
from edgekit.errors import DataError, ModelError
from edgekit.runtime.model_inputs import InputSample
from edgekit.runtime.session import FLOAT_STAGES, Session, load
from edgekit.spec import HeadSpec

if TYPE_CHECKING:
    from edgekit.sim.graph import Graph

INTEGER_TENSOR_SUFFIX = "_quantized"  # how the compilers name the integer form of a float tensor

Arrays = Mapping[str, npt.NDArray[Any]]
OutputScales = Mapping[str, tuple[npt.NDArray[np.float32], int]]
NO_SCALES: OutputScales = MappingProxyType({})

__all__ = ["ComparedModel", "InnerTensor", "head_values", "open_compared"]


@dataclass(frozen=True, slots=True)
class InnerTensor:
    """An inner tensor.

    Attributes:
        name: Its own name.
        node: The node that makes it.
        op: The operator of that node.
        key: The name that both models know it by.
    """

    name: str
    node: str
    op: str
    key: str


class ComparedModel(Protocol):
    """What is compared.

    Attributes:
        session: Prepares and decodes; None for dumps, which only have heads.
    """

    session: Session | None

    @property
    def name(self) -> str:
        """Name of the file or folder."""

    @property
    def tensors(self) -> tuple[InnerTensor, ...]:
        """The inner tensors that can be read."""

    @property
    def output_scales(self) -> OutputScales:
        """Output name -> scale and axis of the integers that a dump may hold where this model gives floats."""

    def run(self, image: str, inputs: InputSample | None, keep: Sequence[str]) -> Arrays:
        """Return heads by output name, and the tensors `keep`; `image` is the stem of its file."""


def open_compared(path: Path) -> ComparedModel:
    """Open a model to compare.

    Args:
        path: A float ONNX, quantized graph or `.bin` (as `edgekit.load` takes it), or a folder of .npz dumps.

    Returns:
        The model.
    """
    path = Path(path)
    if path.is_dir() and any(path.glob("*.npz")):
        return DumpedOutputs(path)
    session = load(path)
    if session.spec.stage in FLOAT_STAGES:
        return FloatModel(path, session)
    if session.device.kind == "sim":
        return QuantizedModel(path, session)
    return OutputsOnly(path, session)


def _by_name(session: Session, inputs: InputSample) -> Mapping[str, npt.NDArray[Any]]:
    return inputs if isinstance(inputs, Mapping) else {session.spec.input.name: inputs}


class FloatModel:
    """A float model with all its tensors, on onnxruntime."""

    session: Session | None
    output_scales = NO_SCALES

    def __init__(self, path: Path, session: Session) -> None:
        from edgekit.export import cut_graph
        from edgekit.graph.onnx_graph import load_model

        self.name, self.session = path.name, session
        self._model = load_model(path)
        names = {output.name for output in self._model.graph.output}
        if not {head.name for head in session.spec.outputs} <= names:
            self._model = cut_graph(self._model).model
        self.tensors = tuple(
            InnerTensor(name, node.name, node.op_type, name)
            for node in self._model.graph.node
            if node.op_type != "Constant"
            for name in node.output
        )
        self._opened: tuple[frozenset[str], Any] | None = None

    def run(self, image: str, inputs: InputSample | None, keep: Sequence[str]) -> Arrays:
        """Return heads by output name, and the tensors `keep`."""
        from edgekit.graph.onnx_graph import extract, open_session

        assert self.session is not None and inputs is not None
        outputs = frozenset([*(head.name for head in self.session.spec.outputs), *keep])
        if self._opened is None or self._opened[0] != outputs:
            self._opened = outputs, open_session(extract(self._model, {}, sorted(outputs)))
        values: Arrays = self._opened[1](_by_name(self.session, inputs))
        return values


class QuantizedModel:
    """A quantized graph with all its tensors, on the simulated device."""

    session: Session | None

    def __init__(self, path: Path, session: Session) -> None:
        from edgekit.sim.device import SimDevice

        assert isinstance(session.device, SimDevice)
        self.name, self.session = path.name, session
        self._device = session.device
        self.tensors = sim_tensors(self._device.graph)
        self.output_scales = head_scales(self._device.graph)

    def run(self, image: str, inputs: InputSample | None, keep: Sequence[str]) -> Arrays:
        """Return heads by output name, and the tensors `keep`."""
        assert self.session is not None and inputs is not None
        return self._device.infer(_by_name(self.session, inputs), keep)


def sim_tensors(graph: Graph) -> tuple[InnerTensor, ...]:
    """Return the tensors of a quantized graph whose values can be read.

    A head's integers have a scale per channel: the float that its Dequantize makes stands for them; if that node was
    removed, they are compared only as heads.

    Args:
        graph: The integer graph.

    Returns:
        In the order of computing.
    """
    from edgekit.sim.ops.dequantize import Dequantize

    floats = {n.operands[0]: n.outputs[0] for n in graph.nodes if isinstance(n.operator, Dequantize)}
    hidden = {out.tensor for out in graph.outputs.values() if out.scale.size} | set(floats.values())
    return tuple(
        InnerTensor(floats.get(name, name), node.name, node.op_type, name.removesuffix(INTEGER_TENSOR_SUFFIX))
        for node in graph.nodes
        for name in node.outputs
        if name not in hidden
    )


def head_scales(graph: Graph) -> OutputScales:
    """Return the scale of each output that a Dequantize makes: the board gives its integers if that was removed.

    Args:
        graph: The integer graph.

    Returns:
        Output name -> scale (channels,) or (1,), and its axis.
    """
    from edgekit.sim.ops.dequantize import Dequantize

    return {
        node.outputs[0]: (node.operator.scale, node.operator.axis)
        for node in graph.nodes
        if isinstance(node.operator, Dequantize)
    }


class OutputsOnly:
    """A model of which only the outputs can be read, such as one on the board."""

    session: Session | None
    tensors: tuple[InnerTensor, ...] = ()
    output_scales = NO_SCALES

    def __init__(self, path: Path, session: Session) -> None:
        self.name, self.session = path.name, session

    def run(self, image: str, inputs: InputSample | None, keep: Sequence[str]) -> Arrays:
        """Return heads by output name, and the tensors `keep`."""
        assert self.session is not None and inputs is not None
        return self.session.infer(inputs)


class DumpedOutputs:
    """Outputs saved elsewhere: `<image's stem>.npz` per image, arrays by output name."""

    session: Session | None = None
    tensors: tuple[InnerTensor, ...] = ()
    output_scales = NO_SCALES

    def __init__(self, folder: Path) -> None:
        self.name, self._folder = folder.name, folder

    def run(self, image: str, inputs: InputSample | None, keep: Sequence[str]) -> Arrays:
        """Return heads by output name, and the tensors `keep`."""
        path = self._folder / f"{image}.npz"
        if not path.is_file():
            raise DataError(
                f"{self._folder} has no {path.name}, expected the dumped outputs of every image compared",
                hint="dump that image too, or give --images the dumped ones alone",
            )
        return read_arrays(path, hint="save the outputs alone, with numpy.savez")


def _scale_of(head: HeadSpec, model: ComparedModel, like: ComparedModel) -> tuple[npt.NDArray[np.float32], int]:
    if head.scale:
        return np.asarray(head.scale, np.float32), head.axis
    for known in (model, like):
        if head.name in known.output_scales:
            return known.output_scales[head.name]
    raise ModelError(
        f"{model.name}: output {head.name!r} holds integers, and neither model knows their scale, expected floats",
        hint="compare with the quantized graph or the .bin that they come from, or dump floats",
    )


def head_values(raw: Arrays, model: ComparedModel, like: ComparedModel) -> dict[str, npt.NDArray[np.float32]]:
    """Return heads as floats, integers by the scales of the sidecar.

    Args:
        raw: Heads by output name.
        model: That gave them.
        like: The other model, whose sidecar is used for a dump, which has none.

    Returns:
        By role and stride, such as "box_8"; those of raw models by their names.

    Raises:
        ModelError: If a head is missing or of another shape.
    """
    from edgekit.ops.quant import dequantize

    session = model.session or like.session
    if session is None:
        raise ModelError(
            f"{model.name} and {like.name} are both dumps, expected at least one model",
            hint="give the model whose outputs were dumped",
        )
    values = {}
    for head in session.spec.outputs:
        if head.name not in raw or raw[head.name].size != int(np.prod(head.shape)):
            shape = raw[head.name].shape if head.name in raw else f"only {', '.join(sorted(raw))[:120]}"
            raise ModelError(
                f"{model.name}: output {head.name!r} is {shape}, expected {head.shape}",
                hint="compare outputs of the same model; a dump holds its arrays by output name",
            )
        array = raw[head.name].reshape(head.shape)
        if np.issubdtype(array.dtype, np.integer):
            scale, axis = _scale_of(head, model, like)
            array = dequantize(array, scale, axis)
        values[head.name if head.role == "raw" else head.key] = array.astype(np.float32)
    return values
