from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import ConfigError
from edgekit.ptq import (
    CalibrationParameters,
    CompilerParameters,
    InputParameters,
    ModelParameters,
    PtqConfig,
    dump_config,
    load_config,
    parse_config,
    save_config,
    with_defaults,
)
from edgekit.ptq.fields import CALIBRATION_TYPES, OPTIMIZATIONS, REMOVABLE_NODES, RT_TYPES
from edgekit.ptq.rules import TRAIN_TYPES_OF_RT

GOOD = """
model_parameters:
  onnx_model: './heads.onnx'
  march: 'bayes-e'
  output_model_file_prefix: 'yolov8n_640'
  layer_out_dump: False
input_parameters:
  input_name: ''
  input_type_rt: 'nv12'
  input_type_train: 'rgb'
  input_layout_train: 'NCHW'
  norm_type: 'data_scale'
  scale_value: 0.003921568627451
calibration_parameters:
  cal_data_dir: './calibration_data'
  cal_data_type: 'float32'
  calibration_type: 'max'
  max_percentile: 0.9999
compiler_parameters:
  compile_mode: 'latency'
  optimize_level: 'O3'
"""
TWO_INPUTS = """
model_parameters:
  onnx_model: two.onnx
  march: bayes
  output_model_file_prefix: two
  remove_node_type: Quantize; Dequantize
  node_info: {conv_1: {'ON': CPU, InputType0: int16}, add_2: {OutputType: int16}}
input_parameters:
  input_name: image;state
  input_type_rt: nv12;featuremap
  input_layout_rt: ;NCHW
  input_type_train: bgr;featuremap
  input_layout_train: NHWC;NCHW
  input_shape: 1x64x96x3;1x8
  norm_type: data_mean_and_scale;no_preprocess
  mean_value: 103.94 116.78 123.68;None
  scale_value: '0.017; None'
calibration_parameters:
  cal_data_dir: ./image_f32;./state
  calibration_type: default
  optimization: set_Softmax_input_int8,set_Softmax_output_int8
compiler_parameters:
  core_num: 2
  input_source: {image: pyramid, state: ddr}
  max_time_per_fc: 0
"""


def edited(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


def test_reading_gives_typed_values() -> None:
    config = parse_config(GOOD)
    assert config.model_parameters.march == "bayes-e"
    assert config.model_parameters.layer_out_dump is False
    assert config.model_parameters.working_dir is None
    assert config.input_parameters.input_name == ()
    assert config.input_parameters.scale_value == ((0.003921568627451,),)
    assert config.calibration_parameters.max_percentile == 0.9999
    assert config.compiler_parameters.debug is None


@pytest.mark.parametrize("text", [GOOD, TWO_INPUTS])
def test_a_separator_behind_every_input_as_in_the_vendors_samples(text: str) -> None:
    fields = {"input_name", "input_type_rt", "input_layout_rt", "input_type_train", "input_layout_train", "input_shape"}
    fields |= {"norm_type", "mean_value", "scale_value", "cal_data_dir"}
    lines = []
    for line in text.splitlines():
        name, _, value = line.partition(": ")
        plain = value.strip().strip("'")
        lines.append(f"{name}: '{plain};'" if name.strip() in fields and plain else line)
    ended = "\n".join(lines)
    assert ended.count(";'") >= 5
    assert parse_config(ended) == parse_config(text)


def test_a_layout_may_be_missing_at_the_end() -> None:
    swapped = TWO_INPUTS.replace("nv12;featuremap", "featuremap;nv12").replace(
        ";NCHW\n  input_type_train: bgr;featuremap", "NCHW;\n  input_type_train: featuremap;bgr"
    )
    swapped = (
        swapped.replace("NHWC;NCHW", "NCHW;NHWC")
        .replace("1x64x96x3;1x8", "1x8;1x64x96x3")
        .replace("data_mean_and_scale;no_preprocess", "no_preprocess;data_mean_and_scale")
    )
    swapped = swapped.replace("103.94 116.78 123.68;None", "None;103.94 116.78 123.68").replace(
        "'0.017; None'", "None; 0.017"
    )
    assert [item.layout_rt for item in parse_config(swapped).inputs] == ["NCHW", ""]


def test_several_inputs_are_gathered_with_the_toolchains_defaults() -> None:
    image, state = parse_config(TWO_INPUTS).inputs
    assert (image.name, image.type_rt, image.layout_rt, image.shape) == ("image", "nv12", "", (1, 64, 96, 3))
    assert (image.mean, image.scale) == ((103.94, 116.78, 123.68), (0.017,))
    assert (state.name, state.type_rt, state.layout_rt, state.mean) == ("state", "featuremap", "NCHW", None)
    assert (image.cal_data_type, state.cal_data_type) == ("float32", "uint8")  # guessed from the _f32 suffix
    assert image.color_space == "regular"


@pytest.mark.parametrize("text", [GOOD, TWO_INPUTS])
def test_read_write_read_loses_nothing(text: str) -> None:
    config = parse_config(text)
    assert parse_config(dump_config(config)) == config
    assert dump_config(parse_config(dump_config(config))) == dump_config(config)
    assert pickle.loads(pickle.dumps(config)) == config


def test_unset_fields_stay_unset_and_set_ones_stay_in_order() -> None:
    text = dump_config(parse_config(GOOD))
    assert "working_dir" not in text and "mean_value" not in text
    names = [line.split(":")[0].strip() for line in text.splitlines() if line]
    assert names.index("onnx_model") < names.index("march") < names.index("input_parameters")
    assert "input_name: ''" in text


def test_header_and_comments_are_written_and_ignored_when_read() -> None:
    config = parse_config(GOOD)
    text = dump_config(config, header="made by\ntwo lines", comments={"march": "the RDK X5"})
    assert text.startswith("# made by\n# two lines\n\nmodel_parameters:\n")
    assert "  # the RDK X5\n  march: bayes-e\n" in text
    assert parse_config(text) == config


def test_defaults_are_filled_in_on_request_alone() -> None:
    filled = with_defaults(parse_config(GOOD))
    assert filled.model_parameters.working_dir == "model_output"
    assert filled.compiler_parameters.core_num == 1
    assert filled.calibration_parameters.max_percentile == 0.9999
    assert filled.compiler_parameters.optimize_level == "O3"


def test_files(tmp_path: Path) -> None:
    config = parse_config(GOOD)
    save_config(tmp_path / "x.yaml", config, header="a header")
    assert load_config(tmp_path / "x.yaml") == config
    with pytest.raises(ConfigError, match=r"absent\.yaml"):
        load_config(tmp_path / "absent.yaml")


def test_a_yaml_without_calibration_type_means_the_default_as_it_does_for_hb_mapper() -> None:
    for line in ("", "  calibration_type:\n"):
        config = parse_config(edited(GOOD, "  calibration_type: 'max'\n", line).replace("max_percentile: 0.9999", ""))
        assert config.calibration_parameters.calibration_type == "default"
        assert "calibration_type: default" in dump_config(config)
    with pytest.raises(ConfigError, match="calibration_type is blank"):
        replace(parse_config(GOOD).calibration_parameters, calibration_type=cast(Any, None))


def test_the_last_value_of_a_repeated_key_counts_where_somebody_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(edited(GOOD, "optimize_level: 'O3'", "optimize_level: 'O3'\n  optimize_level: 'O1'"))
    notes: list[str] = []
    assert load_config(path, on_repeat=notes.append).compiler_parameters.optimize_level == "O1"
    (note,) = notes
    assert "key 'optimize_level' appears twice, in line 21 and line 22; the last one counts" in note
    with pytest.raises(ConfigError, match="appears twice"):
        load_config(path)


def test_the_yaml_of_a_real_build_reads(shared_data: Path) -> None:
    for path in sorted((shared_data / "horizon").rglob("*.yaml")):
        config = load_config(path)
        assert parse_config(dump_config(config)) == config
        assert config.inputs[0].type_rt == "nv12"


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("calibration_type: 'max'", "calibration_type: 'mox'", "calibration_type is 'mox'", "did you mean"),
        ("march: 'bayes-e'", "march: 'nash-e'", "one of bernoulli2, bayes, bayes-e", "hb_compile"),
        ("march: 'bayes-e'", "march: ''", "march is '', expected one of", "set model_parameters.march"),
        ("march: 'bayes-e'", "marsh: 'bayes-e'", "model_parameters.marsh is an unknown field", "march?"),
        ("  march: 'bayes-e'\n", "", "model_parameters.march is missing", "add march"),
        ("compiler_parameters:", "compile_parameters:", "compile_parameters is an unknown group", "compiler_"),
        ("layer_out_dump: False", "layer_out_dump: 2", "layer_out_dump is 2, expected True or False", "set"),
        ("max_percentile: 0.9999", "max_percentile: 99.99", "is 99.99, expected a number in 0..1", "set"),
        ("max_percentile: 0.9999", "max_percentile: .nan", "expected a number in 0..1", "set"),
        ("scale_value: 0.003921568627451", "scale_value: 0", "expected finite numbers other than 0", "set"),
        ("scale_value: 0.003921568627451", "scale_value: a b", "scale_value is 'a b'", "set"),
        ("  scale_value: 0.003921568627451\n", "", "scale_value is missing with norm_type", "add scale_value"),
        ("norm_type: 'data_scale'", "norm_type: 'data_mean'", "mean_value is missing", "add mean_value"),
        ("norm_type: 'data_scale'", "norm_type: 'no_preprocess'", "scale_value is set with", "delete"),
        ("scale_value: 0.003921568627451", "scale_value: '1 2'", "has 2 numbers, expected 1 or 3", "channel"),
        ("input_type_train: 'rgb'", "input_type_train: 'gray'", "cannot come from input_type_train", "nv12"),
        ("input_type_rt: 'nv12'", "input_type_rt: 'rgb'", "input_layout_rt is missing", "add input_layout_rt"),
        ("input_type_rt: 'nv12'", "input_type_rt: nv12;nv12", "has 1 entries, expected 2", "one entry per"),
        ("input_name: ''", "input_layout_rt: NHWC", "'nv12', expected none", "delete input_layout_rt"),
        ("input_name: ''", "input_shape: 1x3x641x640", "640x641 pixels", "even"),
        ("input_name: ''", "input_shape: 1x640x640x3", "3 channels at place 2", "input_layout_train"),
        ("input_name: ''", "input_shape: 1x3x-1x640", "input_shape is", "set"),
        ("input_name: ''", "input_batch: 129", "whole number in 1..128", "set"),
        ("input_name: ''", "input_name: 451", "is 451, expected text", "set"),
        ("  cal_data_dir: './calibration_data'\n", "", "cal_data_dir is missing", "edgekit calibrate"),
        ("optimize_level: 'O3'", "optimize_level: 'O4'", "one of O0, O1, O2, O3", "set"),
        ("optimize_level: 'O3'", "core_num: 2", "core_num is 2 for march 'bayes-e'", "lower"),
        ("optimize_level: 'O3'", "max_time_per_fc: 10", "0 or a whole number in 1000..", "set"),
        ("optimize_level: 'O3'", "input_source: {a: usb}", "ddr, pyramid, resizer", "set"),
        ("prefix: 'yolov8n_640'", "prefix: '../x'", "a plain name without folders", "set"),
        ("layer_out_dump: False", "node_info: {a: {ON: CPU}}", "with 'ON' in quotes", "set"),
        ("layer_out_dump: False", "node_info: {a: {OutputType: int4}}", "node_info is", "set"),
        ("layer_out_dump: False", "node_info: {a: {}}", "node_info is", "set"),
        ("layer_out_dump: False", "remove_node_type: Conv", "expected one of Quantize", "set"),
        ("calibration_type: 'max'", "calibration_type: max\n  optimization: set_all_int16", "set_all_nodes", "set"),
    ],
)
def test_illegal_yamls_are_refused_by_field_value_and_legal_ones(old: str, new: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(edited(GOOD, old, new), location="x.yaml")
    assert caught.value.message.startswith("x.yaml: ")
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("text", ["", "[]", "just words", "model_parameters: 3"])
def test_what_is_no_ptq_yaml_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_config(text)


def test_int8_marches_refuse_int16() -> None:
    config = parse_config(GOOD)
    x3 = replace(config.model_parameters, march="bernoulli2")
    changes: tuple[dict[str, Any], ...] = (
        {"calibration_parameters": replace(config.calibration_parameters, optimization=("set_all_nodes_int16",))},
        {"model_parameters": replace(x3, node_info={"a": {"OutputType": "int16"}})},
    )
    for change in changes:
        with pytest.raises(ConfigError, match="bernoulli2"):
            replace(config, **{"model_parameters": x3, **change})


def test_values_made_in_python_are_checked_alike() -> None:
    good = parse_config(GOOD)
    with pytest.raises(ConfigError, match="calibration_type is 'nope'"):
        replace(good.calibration_parameters, calibration_type="nope")
    with pytest.raises(ConfigError, match="output_nodes"):
        replace(good.model_parameters, output_nodes=("a;b",))  # the yaml would read it as two
    with pytest.raises(ConfigError, match="input_type_rt is blank"):
        replace(good.input_parameters, input_type_rt=())
    with pytest.raises(ConfigError, match="march"):
        replace(good.model_parameters, march=cast(Any, None))


names = st.from_regex(r"[a-zA-Z_/][a-zA-Z0-9_./-]{0,11}", fullmatch=True)
odd_text = st.text(
    st.characters(exclude_characters=";\0", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Z", "Cn", "Co")),
    min_size=1,
    max_size=12,
)
numbers = st.floats(1e-6, 1e6) | st.floats(-1e6, -1e-6)


def tuples(item: st.SearchStrategy, count: int) -> st.SearchStrategy:
    return st.tuples(*[item] * count)


def maybe(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | strategy


@st.composite
def input_groups(draw: st.DrawFn, count: int) -> InputParameters:
    rts = tuple(draw(st.sampled_from(RT_TYPES)) for _ in range(count))
    trains = tuple(draw(st.sampled_from(TRAIN_TYPES_OF_RT[rt])) for rt in rts)
    layouts = draw(tuples(st.sampled_from(["NCHW", "NHWC"]), count))
    norms = draw(tuples(st.sampled_from(["data_mean_and_scale", "data_mean", "data_scale", "no_preprocess"]), count))
    values: dict[str, Any] = {}
    for name, word in (("mean_value", "mean"), ("scale_value", "scale")):
        used = tuple((draw(numbers),) if word in norm else None for norm in norms)
        values[name] = used if any(used) else draw(st.none() | st.just(()))
    return InputParameters(
        input_name=draw(st.lists(names, min_size=count, max_size=count, unique=True).map(tuple)),
        input_type_rt=rts,
        input_layout_rt=tuple("" if rt == "nv12" else "NHWC" for rt in rts)
        if rts != ("nv12",)
        else draw(maybe(st.just(()))),
        input_type_train=trains,
        input_layout_train=layouts,
        norm_type=norms,
        input_batch=draw(maybe(st.integers(1, 128))) if count == 1 else None,
        **values,
    )


@st.composite
def configs(draw: st.DrawFn) -> PtqConfig:
    count = draw(st.integers(1, 3))
    inputs = draw(input_groups(count))
    some_names = st.lists(odd_text, max_size=3).map(tuple)
    wheres = st.fixed_dictionaries({"ON": st.sampled_from(["BPU", "CPU"])}, optional={})
    return PtqConfig(
        ModelParameters(
            onnx_model=draw(odd_text),
            march=draw(st.sampled_from(["bayes", "bayes-e"])),
            output_model_file_prefix=draw(st.from_regex(r"[a-z0-9_]{1,9}", fullmatch=True)),
            working_dir=draw(maybe(odd_text)),
            layer_out_dump=draw(maybe(st.booleans())),
            output_nodes=draw(maybe(some_names)),
            remove_node_type=draw(maybe(st.lists(st.sampled_from(REMOVABLE_NODES)).map(tuple))),
            node_info=draw(maybe(st.dictionaries(odd_text, wheres, max_size=3))),
        ),
        inputs,
        CalibrationParameters(
            cal_data_dir=draw(tuples(odd_text, count)),
            cal_data_type=draw(maybe(tuples(st.sampled_from(["float32", "uint8"]), count))),
            calibration_type=draw(st.sampled_from(CALIBRATION_TYPES)),
            max_percentile=draw(maybe(st.floats(0, 1))),
            optimization=draw(maybe(st.sets(st.sampled_from(OPTIMIZATIONS[1:])).map(sorted).map(tuple))),
        ),
        CompilerParameters(
            input_source=draw(maybe(st.just({(inputs.input_name or ("",))[0]: "ddr"}))),
            max_time_per_fc=draw(maybe(st.just(0) | st.integers(1000, 4294967295))),
            optimize_level=draw(maybe(st.sampled_from(["O0", "O1", "O2", "O3"]))),
        ),
    )


@settings(max_examples=60, deadline=None)
@given(configs())
def test_any_legal_config_survives_its_yaml(config: PtqConfig) -> None:
    text = dump_config(config, header="h", comments={"march": "c"})
    again = parse_config(text)
    assert again == config
    assert dump_config(again, header="h", comments={"march": "c"}) == text
