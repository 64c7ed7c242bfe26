"""Against the vendor's own commands: the executor on random nodes, the instructions of a real .bin."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edgekit.compilation.toolchain.find import Toolchain, find_toolchain
from edgekit.errors import ToolchainError
from edgekit.sim.graph import load_graph
from edgekit.sim.hbdk import HbdkSimDevice
from edgekit.sim.verify import verify_graph
from edgekit.sim.verify_model import HBDK_KIND, verify_model
from tests.sim.random_ops import MAKERS, random_graph, random_input

pytestmark = pytest.mark.toolchain
BUILD = "horizon/yolov8n_seg_nv12/yolov8n_seg_bayese_640x640_nv12"


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    try:
        return find_toolchain()
    except ToolchainError as error:
        pytest.skip(error.message)


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_random_nodes_give_the_vendors_integers(kind: str, toolchain: Toolchain) -> None:
    data = random_graph(kind, 12345)
    comparisons = verify_graph(load_graph(data), [random_input(12345)], source=data, toolchain=toolchain)
    assert comparisons[-1].elements > 0
    assert [c.differing for c in comparisons] == [0, 0, 0], comparisons


def test_the_instructions_of_a_real_bin_give_our_integers(
    toolchain: Toolchain, shared_data: Path, tmp_path: Path
) -> None:
    for suffix in ("_modified.bin", "_quantized_model.onnx"):
        shutil.copyfile(shared_data / f"{BUILD}{suffix}", tmp_path / Path(f"{BUILD}{suffix}").name)
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(shared_data / "coco/images/val/000000002006.jpg", images)
    found = verify_model(tmp_path / Path(f"{BUILD}_modified.bin").name, images=images)
    assert found.comparisons[-1].kind == HBDK_KIND and found.comparisons[-1].elements == 2297600
    assert found.passed


def test_the_device_gives_what_the_board_gives(toolchain: Toolchain, shared_data: Path) -> None:
    device = HbdkSimDevice(shared_data / f"{BUILD}_modified.bin", toolchain=toolchain)
    try:
        dtypes = {info.name: info.dtype for info in device.outputs}
        assert (dtypes["475"], dtypes["499"], device.inputs[0].shape) == ("int32", "float32", (1, 3, 640, 640))
        frame = np.random.default_rng(0).integers(0, 256, 640 * 640 * 3 // 2).astype(np.uint8)
        found = device.infer({"images": frame})
        assert {name: str(value.dtype) for name, value in found.items()} == dtypes
    finally:
        device.close()
