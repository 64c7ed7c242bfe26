"""The vendor's executor as an oracle: every tensor of a quantized graph, computed by `hb_mapper infer`.

The command is a black box and runs in a process of its own. It is handed the graph with all tensors as outputs,
so that it writes each of them; what it reports as its input must be what we fed, or nothing is compared.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.compilation.toolchain.find import Toolchain, find_toolchain
from edgekit.compilation.toolchain.run import run_command
from edgekit.errors import ToolchainError
from edgekit.files import write_bytes, write_text
from edgekit.sim.graph import Graph
from edgekit.sim.graph_proto import ELEMENT_DTYPES, parse_model
from edgekit.sim.ops.reader import HINT
from edgekit.sim.tensor import TensorType

ECHO = "edgekit_input_echo"
TIMEOUT_SECONDS = 900.0
ELEMENT_TYPES = {name: number for number, name in ELEMENT_DTYPES.items()}
MAPPER_CONFIG = """\
model_parameters:
  onnx_model: 'input.onnx'
  march: 'bayes-e'
  working_dir: 'unused'
  output_model_file_prefix: 'unused'
input_parameters:
  input_name: ''
  input_type_rt: '{kind}'
  input_type_train: '{kind}'
  input_layout_train: 'NCHW'
  input_layout_rt: 'NCHW'
  norm_type: 'no_preprocess'
calibration_parameters:
  cal_data_dir: 'calibration'
  cal_data_type: 'float32'
  calibration_type: 'max'
compiler_parameters:
  compile_mode: 'latency'
  optimize_level: 'O0'
"""


def vendor_tensors(
    source: Path | bytes, graph: Graph, inputs: Mapping[str, np.ndarray], *, toolchain: Toolchain | None = None
) -> dict[str, np.ndarray]:
    """Every tensor of `graph` (read from `source`) as the vendor's executor computes it from `inputs`.

    inputs: as ReferenceExecutor.run takes them. Raises ToolchainError where no toolchain is here, where it
    fails, or where it does not see the input that we fed.
    """
    toolchain = toolchain or find_toolchain()
    if len(graph.inputs) != 1:
        raise ToolchainError(
            f"the graph has {len(graph.inputs)} inputs, expected 1 for hb_mapper infer", hint="verify without --oracle"
        )
    ((name, kind),) = graph.inputs.items()
    with tempfile.TemporaryDirectory(prefix="edgekit-oracle-") as scratch:
        folder = Path(scratch)
        shapes = _write_request(folder, source, graph, name, kind, inputs[name])
        _infer(toolchain, folder, name)
        tensors = {tensor: _read_dump(folder, tensor, shapes[tensor]) for tensor in shapes}
    echoed = tensors.pop(ECHO)
    if not np.array_equal(echoed, inputs[name]):
        raise ToolchainError(
            f"hb_mapper infer changed {int(np.sum(echoed != inputs[name]))} elements of the input, expected none",
            hint="verify without --oracle; this input kind is not supported by it",
        )
    return tensors


def _write_request(
    folder: Path, source: Path | bytes, graph: Graph, name: str, kind: TensorType, value: np.ndarray
) -> dict[str, TensorType]:
    """Write graph, config and input; gives the tensors that will be dumped."""
    model, _ = parse_model(source)
    channels_last = len(kind.shape) == 4 and kind.shape[3] in (1, 3) and kind.shape[1] not in (1, 3)
    perm = (0, 2, 3, 1) if channels_last else tuple(range(len(kind.shape)))
    fed = value.transpose(np.argsort(perm))
    _rewire(model, name, fed.shape, perm, kind)
    dumped = {ECHO: kind, **{t: graph.types[t] for node in graph.nodes for t in node.outputs}}
    present = {output.name for output in model.graph.output}
    model.graph.output.extend(_value_info(t, k) for t, k in dumped.items() if t not in present)
    write_bytes(folder / "all_quantized_model.onnx", model.SerializeToString())
    write_bytes(folder / "input.onnx", _float_stand_in(name, fed.shape))
    (folder / "calibration").mkdir()
    is_image = kind.dtype == np.int8
    write_text(folder / "config.yaml", MAPPER_CONFIG.format(kind="rgb" if is_image else "featuremap"))
    pixels = fed.astype(np.float32) + np.float32(128 if is_image else 0)  # pixels are what integers around 0 stand for
    write_bytes(folder / "input.bin", np.ascontiguousarray(pixels).tobytes())
    return dumped


def _rewire(model: Any, name: str, shape: tuple[int, ...], perm: tuple[int, ...], kind: TensorType) -> None:
    """Put a Transpose behind the input, whose result is dumped: what the executor really saw."""
    from onnx import helper

    for node in model.graph.node:
        for index, tensor in enumerate(node.input):
            if tensor == name:
                node.input[index] = ECHO
    value = next(v for v in model.graph.input if v.name == name)
    constants = {tensor.name for tensor in model.graph.initializer}
    for left_over in [v for v in model.graph.input if v.name != name and v.name not in constants]:
        model.graph.input.remove(left_over)
    value.CopyFrom(helper.make_tensor_value_info(name, ELEMENT_TYPES[kind.dtype.name], shape))
    model.graph.node.insert(0, helper.make_node("Transpose", [name], [ECHO], name=ECHO, perm=perm))


def _value_info(name: str, kind: TensorType) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, ELEMENT_TYPES[kind.dtype.name], kind.shape)


def _float_stand_in(name: str, shape: tuple[int, ...]) -> bytes:
    """A float model with the same input, which hb_mapper wants to see beside the quantized one."""
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    result = helper.make_tensor_value_info("unused", TensorProto.FLOAT, shape)
    graph = helper.make_graph([helper.make_node("Relu", [name], ["unused"])], "stand_in", [value], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    return bytes(model.SerializeToString())


def _infer(toolchain: Toolchain, folder: Path, name: str) -> None:
    arguments = (
        "infer", "--config", "config.yaml", "--model-file", "all_quantized_model.onnx", "--model-type", "onnx",
        "--image-file", name, "input.bin", "--output-dir", "dump",
    )  # fmt: skip
    command = toolchain.command("hb_mapper", *arguments, folders=(folder,))
    finished = run_command(command, cwd=folder, timeout_seconds=TIMEOUT_SECONDS)
    if finished.returncode or not (folder / "dump").is_dir():
        raise ToolchainError(
            f"hb_mapper infer failed with exit code {finished.returncode}: {' / '.join(finished.lines[-3:])}",
            hint="run edgekit toolchain status; verify without --oracle needs no toolchain",
        )


def _read_dump(folder: Path, tensor: str, kind: TensorType) -> np.ndarray:
    path = folder / "dump" / f"{tensor.replace('/', '_')}.bin"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ToolchainError(f"hb_mapper infer wrote no {path.name}", hint=HINT) from error
    expected = kind.size * kind.dtype.itemsize
    if len(data) != expected:
        raise ToolchainError(f"{path.name} has {len(data)} bytes, expected {expected} for {kind}", hint=HINT)
    return np.frombuffer(data, kind.dtype).reshape(kind.shape)
