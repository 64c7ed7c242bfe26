"""The instructions inside a real `.bin`, executed by the toolchain's instruction simulator (`hbdk-sim`).

About 20 s per 640x640 frame: a proof of what the binary computes, not a way to work with it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.binary.bin_format import BinInfo, BinInput, BinOutput, read_bin
from edgekit.compilation.toolchain.find import Toolchain, find_toolchain
from edgekit.compilation.toolchain.run import run_command
from edgekit.errors import DeviceError, ModelError, ToolchainError
from edgekit.ops.quant import dequantize
from edgekit.runtime.device import TensorInfo, Tensors
from edgekit.sim.ops.dequantize import DEFAULT_AXIS
from edgekit.spec import ModelSpec

TIMEOUT_SECONDS = 1800.0
HINT = "run edgekit toolchain status; or run the model's quantized graph on the simulated device (--device sim)"


def open_hbdk_sim(path: str | Path, spec: ModelSpec | None = None) -> HbdkSimDevice:
    """Open a real `.bin`; raises ToolchainError without a toolchain, ModelError or DeviceError for the file."""
    return HbdkSimDevice(Path(path))


class HbdkSimDevice:
    """A Device; outputs are those of the board: floats where a Dequantize node stands, else integers."""

    kind = "hbdk-sim"

    def __init__(self, path: Path, *, toolchain: Toolchain | None = None) -> None:
        self.info: BinInfo = read_bin(path)
        self._toolchain = toolchain or find_toolchain()
        self._bpu = _only_bpu_node(self.info)
        self._folder = Path(tempfile.mkdtemp(prefix="edgekit-hbdk-"))
        self._hbm = self._extract(path)
        self.inputs = (_input_info(self.info.inputs[0]),)
        self.outputs = tuple(_output_info(output) for output in self.info.outputs)

    def infer(self, inputs: Mapping[str, np.ndarray]) -> Tensors:
        """Run one frame; raises ModelError on inputs that do not fit, ToolchainError where the command fails."""
        integers = self.infer_integers(inputs)
        return {output.name: _as_board(output, integers[output.name]) for output in self.info.outputs}

    def infer_integers(self, inputs: Mapping[str, np.ndarray]) -> Tensors:
        """The integers that the BPU hands out, int64, by the names of the model's outputs."""
        expected = self.info.inputs[0]
        if set(inputs) != {expected.name}:
            raise ModelError(f"inputs {sorted(inputs)} were given, expected [{expected.name!r}]", hint="name the input")
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            folder = Path(scratch)
            arguments = _input_arguments(expected, inputs[expected.name], folder)
            (folder / "out").mkdir()
            self._run(
                "hbdk-sim",
                "-f",
                str(self._hbm),
                "-n",
                self._bpu.name,
                *arguments,
                "-o",
                str(folder / "out"),
                cwd=folder,
            )
            return self._read(folder / "out")

    def close(self) -> None:
        """Remove the extracted instructions."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _extract(self, path: Path) -> Path:
        shutil.copyfile(path, self._folder / "model.bin")
        self._run("hb_extract_hbm", "model.bin", cwd=self._folder)
        instructions = sorted(self._folder.rglob("*.hbm"))
        if not instructions:
            raise ToolchainError(f"hb_extract_hbm found no instructions in {path}", hint=HINT)
        return instructions[0]

    def _run(self, name: str, *arguments: str, cwd: Path) -> None:
        if not self._toolchain.has(name):
            raise ToolchainError(f"the toolchain at {self._toolchain.location} has no {name}", hint=HINT)
        command = self._toolchain.command(name, *arguments, folders=(self._folder,))
        finished = run_command(command, cwd=cwd, timeout_seconds=TIMEOUT_SECONDS)
        if finished.returncode:
            last = " / ".join(finished.lines[-3:])
            raise ToolchainError(f"{name} failed with exit code {finished.returncode}: {last}", hint=HINT)

    def _read(self, folder: Path) -> Tensors:
        by_integer = {output.integer_name or output.name: output for output in self.info.outputs}
        by_integer |= {output.name: output for output in self.info.outputs}
        tensors: Tensors = {}
        for index, name in enumerate(self._bpu.outputs):
            output = by_integer[name]
            tensors[output.name] = _read_integers(folder, index).reshape(output.shape)
        return tensors


def _only_bpu_node(info: BinInfo) -> Any:
    """The one part of the model that runs on the BPU; what runs on the CPU may only be Dequantize."""
    bpu = [node for node in info.nodes if not node.on_cpu]
    others = sorted({node.op_type for node in info.nodes if node.on_cpu} - {"Dequantize"})
    if info.inputs and info.inputs[0].shape[:1] != (1,):
        raise DeviceError(
            f"{info.path} takes {info.inputs[0].shape[0]} images per call, expected one here",
            hint="use --device sim: it runs the same integers image by image",
        )
    if len(bpu) != 1 or others or len(info.inputs) != 1:
        raise DeviceError(
            f"{info.path} has {len(bpu)} BPU parts, {len(info.inputs)} inputs and on the CPU {others or 'nothing'}, "
            "expected one part, one input and no operator but Dequantize",
            hint="use --device sim",
        )
    return bpu[0]


def _input_arguments(expected: BinInput, value: np.ndarray, folder: Path) -> list[str]:
    """Write the input as the simulator takes it: packed NV12, or the BPU's integers as raw bytes."""
    value = np.asarray(value)
    if expected.kind == "nv12":
        _, height, width, _ = expected.shape
        size = height * width * 3 // 2
        if value.dtype != np.uint8 or value.size != size:
            raise ModelError(
                f"input {expected.name!r} is {value.dtype}{list(value.shape)}, expected {size} uint8",
                hint="feed one packed NV12 frame",
            )
        (folder / "in.yuv").write_bytes(np.ascontiguousarray(value).tobytes())
        return ["-i", str(folder / "in.yuv"), "--yuv-size", f"{height}x{width}"]
    if value.shape != expected.shape or value.dtype not in (np.uint8, np.int8):
        raise ModelError(
            f"input {expected.name!r} is {value.dtype}{list(value.shape)}, expected uint8{list(expected.shape)}",
            hint="prepare the input as the model's sidecar says",
        )
    integers = (value ^ np.uint8(0x80)).view(np.int8) if value.dtype == np.uint8 else value
    (folder / "in.bin").write_bytes(np.ascontiguousarray(integers).tobytes())
    return ["-i", str(folder / "in.bin")]


def _read_integers(folder: Path, index: int) -> np.ndarray:
    """The integers of output `index`: one per line behind header lines that start with #, in NHWC order."""
    files = sorted(folder.glob(f"hbdk_output{index}_feature_*_elem_int.txt"))
    if len(files) != 1:
        raise ToolchainError(f"hbdk-sim wrote {len(files)} files for output {index}, expected 1", hint=HINT)
    text = "\n".join(line for line in files[0].read_text().splitlines() if not line.startswith("#"))
    return np.array(text.split(), np.int64)


def _as_board(output: BinOutput, integers: np.ndarray) -> np.ndarray:
    if not output.dequantized_by:
        return integers.astype(output.dtype)
    axis = DEFAULT_AXIS if output.scale_axis is None else output.scale_axis
    return dequantize(integers, np.array(output.scales, np.float32), axis)


def _input_info(expected: BinInput) -> TensorInfo:
    shape = expected.shape
    if expected.kind == "nv12":
        shape = (shape[0], 3, shape[1], shape[2])
    return TensorInfo(expected.name, shape, "uint8")


def _output_info(output: BinOutput) -> TensorInfo:
    scale = () if output.dequantized_by else output.scales
    axis = DEFAULT_AXIS if output.scale_axis is None else output.scale_axis
    return TensorInfo(output.name, output.shape, output.dtype, scale, axis)
