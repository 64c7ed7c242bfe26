"""One side of a comparison: a model whose every tensor can be read, or a folder of outputs dumped on a board."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from edgekit.errors import DataError, ModelError
from edgekit.runtime.session import FLOAT_STAGES, Session, load
from edgekit.spec import HeadSpec

if TYPE_CHECKING:
    from edgekit.sim.graph import Graph

QUANTIZED_SUFFIX = "_quantized"  # how the compilers name the integer form of a float tensor
MAX_DUMP_BYTES = 1 << 30

Arrays = Mapping[str, npt.NDArray[Any]]
OutputScales = Mapping[str, tuple[npt.NDArray[np.float32], int]]
NO_SCALES: OutputScales = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Tensor:
    """An inner tensor: its own name, the node that makes it, and the name that both sides know it by."""

    name: str
    node: str
    op: str
    key: str


class ComparedModel(Protocol):
    """What is compared. `session` prepares and decodes; None for dumps, which only have heads.

    `units`: scale and axis of integers that a dump may hold where this side gives floats, by output name.
    """

    @property
    def name(self) -> str: ...

    session: Session | None

    @property
    def tensors(self) -> tuple[Tensor, ...]: ...

    @property
    def units(self) -> OutputScales: ...

    def run(self, image: str, inputs: npt.NDArray[Any] | None, keep: Sequence[str]) -> Arrays:
        """Heads by output name and the tensors `keep`; `image` is its file stem."""


def open_compared(path: Path) -> ComparedModel:
    """A float ONNX, quantized graph or `.bin` (as `edgekit.load` takes it), or a folder of .npz dumps."""
    path = Path(path)
    if path.is_dir() and any(path.glob("*.npz")):
        return DumpedOutputs(path)
    session = load(path)
    if session.spec.stage in FLOAT_STAGES:
        return FloatModel(path, session)
    if session.device.kind == "sim":
        return QuantizedModel(path, session)
    return OutputsOnly(path, session)


class FloatModel:
    """A float model with all its tensors, on onnxruntime."""

    session: Session | None
    units = NO_SCALES

    def __init__(self, path: Path, session: Session) -> None:
        from edgekit.export import cut_graph
        from edgekit.graph.onnx_graph import load_model

        self.name, self.session = path.name, session
        self._model = load_model(path)
        names = {output.name for output in self._model.graph.output}
        if not {head.name for head in session.spec.outputs} <= names:
            self._model = cut_graph(self._model).model
        self.tensors = tuple(
            Tensor(name, node.name, node.op_type, name)
            for node in self._model.graph.node
            if node.op_type != "Constant"
            for name in node.output
        )
        self._opened: tuple[frozenset[str], Any] | None = None

    def run(self, image: str, inputs: npt.NDArray[Any] | None, keep: Sequence[str]) -> Arrays:
        from edgekit.graph.onnx_graph import extract, open_session

        assert self.session is not None and inputs is not None
        wanted = frozenset([*(head.name for head in self.session.spec.outputs), *keep])
        if self._opened is None or self._opened[0] != wanted:
            self._opened = wanted, open_session(extract(self._model, {}, sorted(wanted)))
        values: Arrays = self._opened[1]({self.session.spec.input.name: inputs})
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
        self.units = head_scales(self._device.graph)

    def run(self, image: str, inputs: npt.NDArray[Any] | None, keep: Sequence[str]) -> Arrays:
        assert self.session is not None and inputs is not None
        return self._device.infer({self.session.spec.input.name: inputs}, keep)


def sim_tensors(graph: Graph) -> tuple[Tensor, ...]:
    """The tensors of a quantized graph whose values can be read.

    A head's integers have a unit per channel: the float that its Dequantize makes stands for them, and where
    that node was removed, they are compared as heads alone.
    """
    from edgekit.sim.ops.dequantize import Dequantize

    floats = {n.operands[0]: n.outputs[0] for n in graph.nodes if isinstance(n.operator, Dequantize)}
    hidden = {out.tensor for out in graph.outputs.values() if out.scale.size} | set(floats.values())
    return tuple(
        Tensor(floats.get(name, name), node.name, node.op_type, name.removesuffix(QUANTIZED_SUFFIX))
        for node in graph.nodes
        for name in node.outputs
        if name not in hidden
    )


def head_scales(graph: Graph) -> OutputScales:
    """Scale and axis of each output that a Dequantize makes: the board gives its integers where that was removed."""
    from edgekit.sim.ops.dequantize import Dequantize

    return {
        node.outputs[0]: (node.operator.scale, node.operator.axis)
        for node in graph.nodes
        if isinstance(node.operator, Dequantize)
    }


class OutputsOnly:
    """A model of which only the outputs can be read, such as one on the board."""

    session: Session | None
    tensors: tuple[Tensor, ...] = ()
    units = NO_SCALES

    def __init__(self, path: Path, session: Session) -> None:
        self.name, self.session = path.name, session

    def run(self, image: str, inputs: npt.NDArray[Any] | None, keep: Sequence[str]) -> Arrays:
        assert self.session is not None and inputs is not None
        return self.session.infer(inputs)


class DumpedOutputs:
    """Outputs saved elsewhere: `<image's stem>.npz` per image, arrays by output name."""

    session: Session | None = None
    tensors: tuple[Tensor, ...] = ()
    units = NO_SCALES

    def __init__(self, folder: Path) -> None:
        self.name, self._folder = folder.name, folder

    def run(self, image: str, inputs: npt.NDArray[Any] | None, keep: Sequence[str]) -> Arrays:
        path = self._folder / f"{image}.npz"
        if not path.is_file():
            raise DataError(
                f"{self._folder} has no {path.name}, expected the dumped outputs of every image compared",
                hint="dump that image too, or give --images the dumped ones alone",
            )
        if path.stat().st_size > MAX_DUMP_BYTES or _unpacked_bytes(path) > MAX_DUMP_BYTES:
            raise DataError(f"{path} is larger than {MAX_DUMP_BYTES} bytes unpacked", hint="dump the outputs alone")
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return {name: np.asarray(arrays[name]) for name in arrays.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{path} cannot be read ({error})", hint="save it with numpy.savez") from error


def _unpacked_bytes(path: Path) -> int:
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is no .npz file ({error})", hint="save it with numpy.savez") from error


def _unit(head: HeadSpec, side: ComparedModel, like: ComparedModel) -> tuple[npt.NDArray[np.float32], int]:
    if head.scale:
        return np.asarray(head.scale, np.float32), head.axis
    for one in (side, like):
        if head.name in one.units:
            return one.units[head.name]
    raise ModelError(
        f"{side.name}: output {head.name!r} holds integers, and neither side knows their scale, expected floats",
        hint="compare with the quantized graph or the .bin that they come from, or dump floats",
    )


def head_values(raw: Arrays, side: ComparedModel, like: ComparedModel) -> dict[str, npt.NDArray[np.float32]]:
    """Heads as floats by role and stride ("box_8"), integers by the scales of the sidecar.

    A dump has no sidecar: its arrays are read with that of `like`, by name. Raises ModelError where a head is
    missing or of another shape.
    """
    from edgekit.ops.quant import dequantize

    session = side.session or like.session
    if session is None:
        raise ModelError(
            f"{side.name} and {like.name} are both dumps, expected a model on one side at least",
            hint="give the model whose outputs were dumped",
        )
    values = {}
    for head in session.spec.outputs:
        if head.name not in raw or raw[head.name].size != int(np.prod(head.shape)):
            found = raw[head.name].shape if head.name in raw else f"only {', '.join(sorted(raw))[:120]}"
            raise ModelError(
                f"{side.name}: output {head.name!r} is {found}, expected {head.shape}",
                hint="compare outputs of the same model; a dump holds its arrays by output name",
            )
        array = raw[head.name].reshape(head.shape)
        if np.issubdtype(array.dtype, np.integer):
            scale, axis = _unit(head, side, like)
            array = dequantize(array, scale, axis)
        values[f"{head.role}_{head.stride}" if head.stride else head.role] = array.astype(np.float32)
    return values
