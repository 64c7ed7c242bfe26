from __future__ import annotations

import re
from typing import Any

import pytest

from edgekit.errors import ConfigError
from edgekit.ptq import dump_config, load_config, parse_config
from edgekit.ptq.presets import PRESETS, output_prefix, plain_name, ptq_config, reasons
from tests.conftest import ROOT

FOLDER = ROOT / "ptq_yamls"


def test_every_file_has_its_preset_and_every_preset_its_file() -> None:
    assert sorted(path.name for path in FOLDER.glob("*.yaml")) == sorted(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_the_file_is_what_the_code_gives_and_survives_a_round_trip(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert text == PRESETS[name].text(), "run python tools/make_ptq_yamls.py"
    config = load_config(FOLDER / name)
    assert config == PRESETS[name].config
    assert parse_config(dump_config(config)) == config


@pytest.mark.parametrize("name", PRESETS)
def test_every_value_has_its_reason(name: str) -> None:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    fields = [i for i, line in enumerate(lines) if line.startswith("  ") and not line.startswith("  #")]
    assert len(fields) >= 15
    bare = [lines[i].strip() for i in fields if not lines[i - 1].startswith("  # ")]
    assert not bare


@pytest.mark.parametrize("name", PRESETS)
def test_kind_and_task_in_the_name_are_those_in_the_file(name: str) -> None:
    config = load_config(FOLDER / name)
    assert config.inputs[0].type_rt == name.removesuffix(".yaml").split("_")[2]
    assert config.inputs[0].layout_rt == ("" if "nv12" in name else "NCHW")
    assert bool(config.calibration_parameters.optimization) == name.startswith("yolo11")
    assert config.inputs[0].scale == (1 / 255,)


def settings(**changes: object) -> dict[str, Any]:
    base = {"onnx_model": "a.onnx", "prefix": "a", "march": "bayes-e", "input_kind": "nv12", "size_wh": (96, 64)}
    return {**base, **changes}


@pytest.mark.parametrize("kind", ["nv12", "rgb", "bgr", "yuv444"])
@pytest.mark.parametrize("march", ["bernoulli2", "bayes", "bayes-e"])
def test_every_kind_is_legal_on_every_march(kind: str, march: str) -> None:
    config = ptq_config(**settings(input_kind=kind, march=march))
    assert config.inputs[0].shape == (1, 3, 64, 96)
    assert parse_config(dump_config(config, comments=reasons(config))) == config


def test_grey_models_take_grey_images_alone() -> None:
    assert ptq_config(**settings(input_kind="gray", train_type="gray")).inputs[0].shape == (1, 1, 64, 96)
    with pytest.raises(ConfigError, match="cannot come from input_type_train"):
        ptq_config(**settings(input_kind="gray"))


def test_a_percentile_needs_the_max_method() -> None:
    config = ptq_config(**settings(calibration="max", max_percentile=0.9999))
    assert config.calibration_parameters.max_percentile == 0.9999
    with pytest.raises(ConfigError, match="expected calibration max"):
        ptq_config(**settings(calibration="kl", max_percentile=0.9999))


def test_odd_sizes_are_refused_for_nv12_alone() -> None:
    with pytest.raises(ConfigError, match="even"):
        ptq_config(**settings(size_wh=(95, 64)))
    ptq_config(**settings(size_wh=(95, 64), input_kind="rgb"))


def test_the_prefix_says_model_march_size_and_kind() -> None:
    assert output_prefix("yolov8n_seg", "bayes-e", (640, 384), "nv12") == "yolov8n_seg_bayese_640x384_nv12"


@pytest.mark.parametrize(
    ("name", "plain"),
    [("yolov8n-seg", "yolov8n_seg"), ("my model (2)", "my_model_2"), ("a_b", "a_b"), ("best.v2", "best_v2")],
)
def test_ascii_names_stay_readable(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_names_in_any_script_are_plain_and_stay_apart() -> None:
    names = [
        "检测模型",
        "检测",
        "安全帽",
        "детектор",
        "مدل",
        "ヘルメット",
        "安全帽yolo11n",
        "检测yolo11n",
        "café",
        "cafe",
        "???",
        "--",
        "x" * 300,
    ]
    plain = [plain_name(name) for name in names]
    assert len(set(plain)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9]\w{0,90}", name, re.ASCII) for name in plain)
    assert plain[0].startswith("model_")
    assert plain[6].startswith("yolo11n_") and plain[8].startswith("cafe_")
    assert plain_name("检测模型") == plain[0]


def test_a_name_that_is_no_utf_8_has_a_plain_one_too() -> None:
    assert plain_name("caf\udce9").startswith("caf_")
