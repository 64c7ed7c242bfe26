"""Known failures are recognised in the toolchain's own words, wherever they stand."""

from __future__ import annotations

import pytest

from edgekit.logs.failures import KNOWN_FAILURES, FailureWatch, recognise, recognise_line
from tests.typed import required

SAMPLES = {
    "opset": "ERROR *** ERROR-OCCUR-DURING {horizon_nn.build_onnx} ***, error message: "
    "The opset version of the model is 17, the maximum supported version is 11",
    "ir_version": "The ir version of the model is 10, which is greater than the maximum supported ir version of 9.",
    "dynamic_shape": "*** ERROR-OCCUR-DURING {horizon_nn.build_onnx} ***, error message: For input images, the "
    "input shape ['N', 3, 'H', 'W'] is invalid as there exist missing or dynamic dimension, which can not be",
    "too_many_outputs": "ERROR tool limits for max output num is 32",
    "calibration_size": "ERROR cannot reshape array of size 1228800 into shape (1,3,416,416)",
    "cpu_operator": "ERROR HorizonRT not support these cpu operators: {'GridSample'}",
    "nothing_on_bpu": "ERROR There is no node can execute on BPU in this model, please make sure",
    "hbdk": "ERROR hbdk-cc compile hbir model failed with returncode -9",
    "no_library": "Exception: can not find hbdk library",
    "shape_inference": "There is an ERROR during shape inference, ...",
    "missing_file": "ValueError: Cal_data_dir does not exist: /data/none",
    "yaml_value": "User input march invalid: 'bayes-x' . It should in list ['bernoulli2', 'bayes', 'bayes-e']",
    "yaml_section": "Parse 'calibration_parameters' failed!",
    "runtime_version": "Model: m. Inconsistency between the hbrt library version 3.15.54.0 and the model "
    "build version 3.15.55.0 detected, in order to ensure",
    "runs_on_cpu": "node /model.10/Softmax will be executed on CPU",
    "threshold": "WARNING got unexpected output threshold on conv /model.0/conv/Conv! value: 0.0",
}


def test_every_row_of_the_table_has_a_sample():
    assert sorted(SAMPLES) == sorted(known.kind for known in KNOWN_FAILURES)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_failure_is_recognised_with_cause_and_cure(kind):
    failure = recognise(["Start hb_mapper....", SAMPLES[kind], "something else"])
    assert failure is not None
    assert failure.kind == kind
    assert failure.hint
    assert "{" not in failure.message.replace("{'GridSample'}", "")
    assert "not said" not in failure.message


def test_the_message_holds_what_the_line_says():
    assert "opset 17" in required(recognise([SAMPLES["opset"]])).message
    assert "1228800" in required(recognise([SAMPLES["calibration_size"]])).message
    assert "(1,3,416,416)" in required(recognise([SAMPLES["calibration_size"]])).message
    assert "-9" in required(recognise([SAMPLES["hbdk"]])).message
    assert "3.15.54.0" in required(recognise([SAMPLES["runtime_version"]])).message


def test_a_cut_line_still_makes_a_message():
    text = SAMPLES["hbdk"]
    for end in range(len(text)):
        failure = recognise([text[:end]])
        assert failure is None or failure.message


def test_the_telling_failure_wins_over_what_it_drags_behind():
    lines = [SAMPLES["runs_on_cpu"], SAMPLES["hbdk"], SAMPLES["opset"], "RuntimeError: stop"]
    assert required(recognise(lines)).kind == "opset"


def test_all_wordings_of_a_dynamic_shape():
    wordings = (
        "ERROR The shape of model input:images is [0, 3, 0, 0] which has dimensions of 0. Please specify",
        "For input images, the input shape [0, 3, 0, 0] is invalid as there exist missing or dynamic dimension",
        "ValueError: The input_shape [0, 3, 0, 0] of the model is a dynamic shape. Please configure",
    )
    for words in wordings:
        assert (
            required(recognise([words])).message
            == "the model's input has the dynamic shape [0, 3, 0, 0], expected fixed sizes"
        )


def test_other_wordings_of_one_failure():
    opset = "The opset version of the onnx model is 17, only model with opset_version 10/11 is supported"
    assert "opset 17" in required(recognise([opset])).message
    onnx = "Can not find onnx_model file given: /data/missing.onnx, please check 'onnx_model' in model_parameters"
    assert required(recognise([onnx])).message == "/data/missing.onnx does not exist"
    value = "User input calibration_type invalid, 'best' should in list ['kl', 'max', 'mix']"
    assert (
        required(recognise([value])).message
        == "the yaml's calibration_type is 'best', expected one of ['kl', 'max', 'mix']"
    )


def test_the_field_wins_over_the_section_that_holds_it():
    lines = ["Parse 'model_parameters' failed!", "yaml file parse failed. Please double check", SAMPLES["yaml_value"]]
    assert required(recognise(lines)).kind == "yaml_value"


def test_an_errors_own_words_say_more_than_the_sections_name():
    lines = ["Parse 'input_parameters' failed!", "ValueError: the moon is full"]
    assert "the moon is full" in required(recognise(lines)).message
    assert required(recognise(lines[:1])).message == "the yaml's input_parameters cannot be used"


def test_a_tracebacks_source_lines_are_no_message():
    assert recognise(['    raise ValueError("Cal_data_dir does not exist: "']) is None


def test_an_error_line_of_the_console_counts_by_its_level():
    watch = FailureWatch()
    watch.feed("load cal data for input 'images' error", level="ERROR")
    assert "load cal data" in required(watch.failure).message
    watch.feed(SAMPLES["calibration_size"], level="ERROR")
    assert required(watch.failure).kind == "calibration_size"


def test_the_reason_wins_over_the_name_of_the_command():
    lines = ["exception in command: checker", "Traceback (most recent call last):", "ValueError: no reason known."]
    assert required(recognise(lines)).message == "the toolchain stopped: no reason known"
    assert "checker" in required(recognise(lines[:1])).message


def test_an_unknown_error_is_shown_in_the_tools_own_words():
    failure = recognise(["Traceback (most recent call last):", "RuntimeError: the moon is full"])
    assert required(failure).kind == "unknown"
    assert "the moon is full" in required(failure).message


def test_a_healthy_log_has_none():
    assert recognise(["Start hb_mapper....", "FPS=195.2, latency = 5123.0 us, DDR = 1 bytes"]) is None
    assert recognise_line("validating model_parameters finished") is None
    assert recognise([]) is None


def test_notes_are_kept_once_and_do_not_fail_the_run():
    watch = FailureWatch()
    for _ in range(3):
        watch.feed(SAMPLES["runs_on_cpu"])
    assert watch.failure is None
    assert len(watch.notes) == 1


def test_real_logs_have_no_failure(shared_data):
    for path in sorted((shared_data / "horizon").rglob("hb_mapper*")):
        if path.suffix in {".txt", ".log"}:
            assert recognise(path.read_text(errors="replace").splitlines()) is None, path.name
