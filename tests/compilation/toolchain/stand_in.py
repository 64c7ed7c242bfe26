"""A toolchain of stand-in commands in a folder of its own, and the compiled files that they hand out."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from edgekit.compilation.strip_plan import STRIPPED_ROLES
from edgekit.spec import HeadSpec, InputSpec, ModelSpec, Preprocess, save_spec
from tests.binary.test_bin_format import field, initializer, tensor

COMMANDS = ("hb_mapper", "hb_model_modifier", "hb_model_info", "hbdk-cc")
SCRIPT = Path(__file__).with_name("stand_in_command.py")
HEADS = (
    HeadSpec("box_8", "box", (1, 8, 12, 64), 8),
    HeadSpec("class_8", "class", (1, 8, 12, 3), 8),
    HeadSpec("mask_8", "mask", (1, 8, 12, 32), 8),
    HeadSpec("proto", "proto", (1, 16, 24, 32), 4),
)


def small_spec(heads: Iterable[HeadSpec] = HEADS, **changes: Any) -> ModelSpec:
    """A segment model for images of 96 x 64."""
    names = ("cat", "dog", "cow")
    return ModelSpec("segment", names, InputSpec("images"), Preprocess(96, 64), tuple(heads), **changes)


def node_of(head: HeadSpec) -> str:
    return f"/model.22/{head.name}/Conv_output_0_HzDequantize"


def compiled_bin(
    spec: ModelSpec, *, stripped: Collection[str] = (), version: str = "1.24.3", kind: str = "nv12"
) -> bytes:
    """A `.bin` of `spec` with the roles in `stripped` without their Dequantize nodes."""
    gone = [head for head in spec.outputs if head.role in stripped]
    kept = [head for head in spec.outputs if head.role not in stripped]
    attribute = field(5, field(1, "axis") + field(2, 2) + field(4, 3))
    integers = b"".join(field(2, head.name if head in gone else f"{head.name}_q") for head in spec.outputs)
    graph = field(1, field(1, "images") + integers + field(3, "main_graph_subgraph_0") + field(4, "BPU"))
    for head in kept:
        node = field(1, f"{head.name}_q") + field(1, f"{head.name}_scale") + field(2, head.name)
        graph += field(1, node + field(3, node_of(head)) + field(4, "Dequantize") + attribute)
    graph += field(2, "main_graph")
    for head in spec.outputs:
        graph += field(3, initializer(f"{head.name}_scale", (0.5,) * head.channels))
    width, height = spec.preprocess.size_wh
    graph += field(4, tensor("images", 3, (1, height, width, 3)))
    for head in spec.outputs:
        graph += field(5, tensor(head.name, 6 if head in gone else 1, head.shape))
    build = b"".join(field(1, field(1, key) + field(2, value)) for key, value in _metadata(gone, version, kind).items())
    return field(1, 1) + field(2, 1) + field(5, graph + field(7, b"\x07")) + field(6, build)


def _metadata(gone: list[HeadSpec], version: str, kind: str) -> dict[str, str]:
    metadata = {
        "MARCH": "bayes-e",
        "BUILDER_VERSION": version,
        "INPUT_TYPE_RT": f"{kind};",
        "INPUT_TYPE_TRAIN": "rgb;",
        "INPUT_SPACE_AND_RANGE": "regular;",
        "INPUT_LAYOUT_RT": ";",
    }
    if gone:
        metadata["DELETED_NODES"] = " ".join(map(node_of, gone))
    for head in gone:
        metadata[f"DN_M_{head.name}"] = f"{head.name}_q"
        metadata[f"DN_D_{head.name}_q_scale"] = f"{head.name}_scale"
        metadata[f"DN_D_{head.name}_q_axis"] = "3"
    return metadata


@dataclass(frozen=True)
class StandIn:
    """The folder of the commands; put it on PATH to use it."""

    folder: Path

    def play(self, **scenario: Any) -> None:
        """Changes what the commands do from now on."""
        path = self.folder / "scenario.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **scenario}))

    @property
    def calls(self) -> list[str]:
        """The commands called so far, each with its sub-command."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [" ".join(line.split()[:2]) if line.startswith("hb_mapper") else line.split()[0] for line in lines]

    def forget(self) -> None:
        (self.folder / "calls").unlink(missing_ok=True)

    def pids(self) -> list[int]:
        """Of a hanging command and its child."""
        return [int(word) for word in (self.folder / "pids").read_text().split()]


def make_stand_in(folder: Path, spec: ModelSpec, *, commands: Iterable[str] = COMMANDS) -> StandIn:
    """Writes the commands and the compiled files of `spec` to `folder`."""
    folder.mkdir(parents=True)
    (folder / "plain").write_bytes(compiled_bin(spec))
    (folder / "stripped").write_bytes(compiled_bin(spec, stripped=STRIPPED_ROLES))
    (folder / "quantized").write_bytes(b"integer graph")
    files = {name: str(folder / name) for name in ("plain", "stripped", "quantized")}
    (folder / "scenario.json").write_text(json.dumps({"version": "1.24.3", **files}))
    for name in commands:
        write_command(
            folder / name, f'export STAND_IN_FOLDER="{folder}"\nexec {sys.executable} -I -S {SCRIPT} {name} "$@"'
        )
    return StandIn(folder)


def write_command(path: Path, body: str) -> Path:
    """An executable shell script."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def make_work(folder: Path, spec: ModelSpec, *, march: str = "bayes-e") -> Path:
    """A work folder as calibrate leaves it, of two samples; returns its yaml."""
    data = folder / "calibration_data"
    data.mkdir(parents=True)
    width, height = spec.preprocess.size_wh
    heads = [helper.make_tensor_value_info(h.name, TensorProto.FLOAT, h.shape) for h in spec.outputs]
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, height, width))
    node = helper.make_node("Identity", ["images"], [spec.outputs[0].name])
    onnx.save(helper.make_model(helper.make_graph([node], "heads", [image], heads)), str(folder / "small_heads.onnx"))
    save_spec(folder / "small_heads.json", spec)
    rng = np.random.default_rng(0)
    for index in range(2):
        pixels = rng.integers(0, 256, (3, height, width)).astype(np.float32)
        (data / f"{index}.rgbchw").write_bytes(pixels.tobytes())
    path = folder / "small.yaml"
    path.write_text(YAML.format(march=march))
    return path


YAML = """\
model_parameters:
  onnx_model: small_heads.onnx
  march: {march}
  working_dir: model_output
  output_model_file_prefix: small
input_parameters:
  input_name: images
  input_type_rt: nv12
  input_type_train: rgb
  input_layout_train: NCHW
  norm_type: data_scale
  scale_value: 0.003921568627451
calibration_parameters:
  cal_data_dir: calibration_data
  cal_data_type: float32
  calibration_type: default
compiler_parameters:
  optimize_level: O3
"""


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
