"""The simulated device keeps the contract of the board's devices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edgekit.compilation.build import compile_model
from edgekit.runtime.device import Device
from edgekit.sim.device import open_sim_device
from edgekit.spec import ModelSpec, load_spec, sidecar_path
from tests.runtime.contract import DeviceContract, Oracle
from tests.sim.compiler.works import make_work


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny segment model whose box and mask heads are integers."""
    yaml = make_work(tmp_path_factory.mktemp("contract") / "work", task="segment", kind="nv12")
    compiled = compile_model(yaml, toolchain="sim").modified_bin_path
    assert compiled is not None
    return compiled


class TestSim(DeviceContract):
    @pytest.fixture
    def spec(self, model: Path) -> ModelSpec:
        return load_spec(sidecar_path(model))

    @pytest.fixture
    def device(self, model: Path, spec: ModelSpec) -> Device:
        return open_sim_device(model, spec)

    @pytest.fixture
    def frames(self, spec: ModelSpec) -> Sequence[np.ndarray]:
        size = spec.preprocess.width * spec.preprocess.height * 3 // 2
        rng = np.random.default_rng(0)
        return [rng.integers(0, 256, size, np.uint8) for _ in range(2)]

    @pytest.fixture
    def oracle(self, model: Path, spec: ModelSpec) -> Oracle:
        reference = open_sim_device(model, spec, execution="reference")
        return lambda frame: reference.infer({spec.input.name: frame})
