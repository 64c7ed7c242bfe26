"""The `hbm_runtime` API on the simulated device: as the board's library gives it, and through our own device."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edgekit.compilation.build import compile_model
from edgekit.errors import ConfigError, ImageError, ModelError
from edgekit.runtime.device import Device
from edgekit.runtime.hbm import HbmDevice
from edgekit.sim import hbm_runtime
from edgekit.sim.device import open_sim_device
from edgekit.spec import ModelSpec, load_spec, sidecar_path
from tests.runtime.contract import DeviceContract, Oracle, same
from tests.sim.compiler.works import make_work


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny segment model whose box and mask heads are integers."""
    yaml = make_work(tmp_path_factory.mktemp("hbm") / "work", task="segment", kind="nv12")
    compiled = compile_model(yaml, toolchain="sim").modified_bin_path
    assert compiled is not None
    return compiled


@pytest.fixture(scope="module")
def spec(model: Path) -> ModelSpec:
    return load_spec(sidecar_path(model))


@pytest.fixture(scope="module")
def frames(spec: ModelSpec) -> Sequence[np.ndarray]:
    size = spec.preprocess.width * spec.preprocess.height * 3 // 2
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, size, np.uint8) for _ in range(2)]


class TestContract(DeviceContract):
    """Our device for the board's library, on this module in the library's place."""

    @pytest.fixture
    def device(self, model: Path) -> Device:
        return HbmDevice(model, module=hbm_runtime)

    @pytest.fixture
    def oracle(self, model: Path, spec: ModelSpec) -> Oracle:
        reference = open_sim_device(model, spec, execution="reference")
        return lambda frame: reference.infer({spec.input.name: frame})


def test_every_tensor_is_described_by_model_and_name(model: Path, spec: ModelSpec) -> None:
    runtime = hbm_runtime.HB_HBMRuntime(str(model))
    (name,) = runtime.model_names
    assert (name, runtime.model_count) == (model.stem, 1)
    assert runtime.input_names == {name: [spec.input.name]}
    height, width = spec.preprocess.height, spec.preprocess.width
    assert runtime.input_shapes[name][spec.input.name] == [1, 3, height, width]
    assert runtime.input_dtypes[name][spec.input.name] is hbm_runtime.HbDataType.U8
    assert sorted(runtime.output_names[name]) == sorted(head.name for head in spec.outputs)
    for head in spec.outputs:
        assert runtime.output_shapes[name][head.name] == list(head.shape)
        assert runtime.output_dtypes[name][head.name].value == head.dtype
        quant = runtime.output_quants[name][head.name]
        assert quant.quant_type.name == ("SCALE" if head.scale else "NONE")
        np.testing.assert_allclose(quant.scale, head.scale, rtol=1e-6)
        item = np.dtype(head.dtype).itemsize
        assert runtime.output_strides[name][head.name] == [item * int(np.prod(head.shape[i + 1 :])) for i in range(4)]
    assert any(quant.quant_type is hbm_runtime.QuantType.SCALE for quant in runtime.output_quants[name].values())


def test_all_forms_of_run_and_both_forms_of_nv12_give_the_same(
    model: Path, spec: ModelSpec, frames: Sequence[np.ndarray]
) -> None:
    runtime = hbm_runtime.HB_HBMRuntime(model)
    name, given = model.stem, spec.input.name
    width, height = spec.preprocess.size_wh
    luma = frames[0][: width * height].reshape(1, height, width, 1)
    chroma = frames[0][width * height :].reshape(1, height // 2, width // 2, 2)
    expected = open_sim_device(model, spec, execution="reference").infer({given: frames[0]})
    for inputs in (
        frames[0],
        {given: frames[0]},
        {given: frames[0].reshape(height * 3 // 2, width)},
        {name: {given: frames[0]}},
        {f"{given}_y": luma, f"{given}_uv": chroma},
    ):
        outputs = runtime.run(inputs)
        assert list(outputs) == [name]
        same(outputs[name], expected)


def test_several_models_run_by_name(model: Path, frames: Sequence[np.ndarray], tmp_path: Path, spec: ModelSpec) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(model.read_bytes())
    runtime = hbm_runtime.HB_HBMRuntime([model, other])
    assert runtime.model_names == [model.stem, "other"]
    outputs = runtime.run({"other": {spec.input.name: frames[1]}, model.stem: {spec.input.name: frames[0]}})
    assert set(outputs) == {"other", model.stem}
    same(runtime.run({"other": {spec.input.name: frames[0]}})["other"], outputs[model.stem])
    with pytest.raises(ModelError, match="2 models are loaded"):
        runtime.run(frames[0])
    with pytest.raises(ModelError, match="two models are called"):
        hbm_runtime.HB_HBMRuntime([model, model])
    with pytest.raises(ModelError, match="no model file"):
        hbm_runtime.HB_HBMRuntime([])


def test_scheduling_parameters_are_checked_and_kept(model: Path, frames: Sequence[np.ndarray]) -> None:
    runtime = hbm_runtime.HB_HBMRuntime(model)
    runtime.set_scheduling_params(priority={model.stem: 5}, bpu_cores={model.stem: [0]})
    assert (runtime.sched_params.priority, runtime.sched_params.bpu_cores) == ({model.stem: 5}, {model.stem: [0]})
    for wrong in ({"priority": {model.stem: 256}}, {"priority": {"none": 1}}, {"bpu_cores": {model.stem: [1]}}):
        with pytest.raises(ConfigError):
            runtime.set_scheduling_params(**wrong)  # type: ignore[arg-type]
    assert runtime.sched_params.priority == {model.stem: 5}


def test_inputs_that_do_not_fit_are_named(model: Path, spec: ModelSpec, frames: Sequence[np.ndarray]) -> None:
    runtime = hbm_runtime.HB_HBMRuntime(model)
    with pytest.raises(ModelError, match=f"input {spec.input.name!r}"):
        runtime.run({"another": frames[0]})
    with pytest.raises(ConfigError, match="model 'another' is not loaded"):
        runtime.run({"another": {spec.input.name: frames[0]}})
    with pytest.raises((ImageError, ModelError)):
        runtime.run(frames[0][:-1])
    with pytest.raises(ImageError, match="expected"):
        runtime.run({f"{spec.input.name}_y": frames[0][:4], f"{spec.input.name}_uv": frames[0][:2]})


def test_a_board_sample_runs_unchanged(model: Path, tmp_path: Path) -> None:
    script = tmp_path / "sample.py"
    script.write_text(
        "import sys\nimport numpy as np\nfrom hbm_runtime import HB_HBMRuntime\n"
        "model = HB_HBMRuntime(sys.argv[1])\nname = model.model_names[0]\n"
        "first = model.input_names[name][0]\nn, c, h, w = model.input_shapes[name][first]\n"
        "frame = np.full(h * w * 3 // 2, 128, np.uint8)\n"
        "outputs = model.run({name: {first: frame}})[name]\n"
        "for key in model.output_names[name]:\n"
        "    quant = model.output_quants[name][key]\n"
        "    value = outputs[key]\n"
        "    if quant.quant_type.name == 'SCALE':\n"
        "        value = value.astype(np.float32) * quant.scale\n"
        "    print(key, value.dtype, value.shape)\n"
    )
    command = [sys.executable, "-m", "edgekit.sim.hbm_runtime", str(script), str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines and all(" float32 " in line for line in lines)
