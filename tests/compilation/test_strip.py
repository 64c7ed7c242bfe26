"""Stripping a `.bin`: exactly the planned nodes go, the result is checked, and the sidecar is true."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.binary.bin_format import read_bin
from edgekit.cli.main import main
from edgekit.compilation.strip import modified_path, plan_for_bin, strip_bin
from edgekit.compilation.toolchain.find import find_toolchain
from edgekit.errors import ModelError, OutputError, ToolchainError
from edgekit.spec import load_spec, save_spec
from tests.compilation.toolchain.stand_in import HEADS, StandIn, compiled_bin, node_of, small_spec

ERROR = "2026-01-02 03:04:05,678 ERROR "


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A compiled model with the sidecar of its build."""
    path = tmp_path / "small.bin"
    path.write_bytes(compiled_bin(small_spec()))
    save_spec(path.with_suffix(".json"), small_spec())
    return path


def test_box_and_mask_go_class_and_proto_stay(stand_in: StandIn, model: Path) -> None:
    done = strip_bin(model, small_spec(), find_toolchain())
    assert done.model == modified_path(model) and done.plan.removed == (node_of(HEADS[0]), node_of(HEADS[2]))
    assert read_bin(done.model).deleted_nodes == done.plan.removed
    assert done.sidecar is not None
    spec = load_spec(done.sidecar)
    assert [head.dtype for head in spec.outputs] == ["int32", "float32", "int32", "float32"]
    assert spec.files["model"].name == "small_modified.bin"
    assert done.commands[0][:2] == ("hb_model_modifier", "small.bin")


def test_without_a_sidecar_none_is_written(stand_in: StandIn, tmp_path: Path) -> None:
    path = tmp_path / "named.bin"
    heads = (("cv2.0", HEADS[0]), ("cv3.0", HEADS[1]))
    data = compiled_bin(small_spec([head for _, head in heads]))
    for branch, head in heads:  # the same length, so that the file stays whole
        name = node_of(head)
        data = data.replace(name.encode(), f"/model.22/{branch}/".ljust(len(name), "x").encode())
    path.write_bytes(data)
    plan = plan_for_bin(path, None)
    assert [decision.role for decision in plan.decisions] == ["box", "class"] and plan.notes


def test_the_model_is_never_its_own_output(stand_in: StandIn, model: Path) -> None:
    with pytest.raises(OutputError, match="is the model itself"):
        strip_bin(model, small_spec(), find_toolchain(), output=model)


def test_nothing_left_to_strip(stand_in: StandIn, model: Path) -> None:
    model.write_bytes(compiled_bin(small_spec(), stripped=("box", "mask")))
    with pytest.raises(ModelError, match="2 were removed before"):
        strip_bin(model, small_spec(), find_toolchain())


def test_a_model_of_another_builder_version(stand_in: StandIn, model: Path) -> None:
    model.write_bytes(compiled_bin(small_spec(), version="1.23.8"))
    with pytest.raises(ToolchainError, match=r"built by hb_mapper 1\.23\.8, the toolchain here is 1\.24\.3") as caught:
        strip_bin(model, small_spec(), find_toolchain())
    assert "--any-version" in caught.value.hint and not modified_path(model).exists()
    assert strip_bin(model, small_spec(), find_toolchain(), any_version=True).model.is_file()


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"stripped": ("box",)}, "still there"),
        ({"stripped": ("box", "mask", "class")}, "is gone"),
        ({"stripped": ()}, "still there"),
    ],
)
def test_a_result_with_other_nodes_gone_is_not_used(
    stand_in: StandIn, model: Path, tmp_path: Path, result: dict[str, tuple[str, ...]], words: str
) -> None:
    other = tmp_path / "other"
    other.write_bytes(compiled_bin(small_spec(), stripped=result["stripped"]))
    stand_in.play(stripped=str(other))
    with pytest.raises(ToolchainError, match=words):
        strip_bin(model, small_spec(), find_toolchain())
    assert not modified_path(model).exists() and not list(model.parent.glob(".*part*"))


def test_a_node_that_hb_model_info_does_not_list(stand_in: StandIn, model: Path) -> None:
    stand_in.play(unlisted=node_of(HEADS[2]))
    with pytest.raises(ToolchainError, match="does not list"):
        strip_bin(model, small_spec(), find_toolchain())
    assert not modified_path(model).exists()


@pytest.mark.parametrize("place", ["hb_model_modifier:start", "hb_model_info:start"])
def test_a_failure_keeps_the_older_result(stand_in: StandIn, model: Path, place: str) -> None:
    modified_path(model).write_bytes(b"older")
    stand_in.play(fail=place, lines=[ERROR + "Error parsing message"])
    with pytest.raises(ToolchainError, match="Error parsing message"):
        strip_bin(model, small_spec(), find_toolchain())
    assert modified_path(model).read_bytes() == b"older"


def test_a_sidecar_of_another_model(stand_in: StandIn, model: Path) -> None:
    for spec in (small_spec(march="bayes"), small_spec(HEADS[:2] + HEADS[3:]), small_spec(HEADS[:1])):
        with pytest.raises(ModelError) as caught:
            strip_bin(model, spec, find_toolchain())
        assert "--sidecar" in caught.value.hint


def test_the_command_prints_what_and_why(stand_in: StandIn, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["strip", str(model)]) == 0
    said = capsys.readouterr().out
    assert "class gate" in said and "matrix product" in said and "9,216 values" in said
    assert modified_path(model).is_file()


def test_the_command_as_json_and_with_further_roles(
    stand_in: StandIn, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.write_bytes(compiled_bin(small_spec(), stripped=("box", "mask", "class")))
    stand_in.play(stripped=str(other))
    assert main(["strip", str(model), "--also", "class", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["removed"] == [node_of(head) for head in HEADS[:3]] and Path(said["sidecar"]).is_file()


def test_the_call_can_be_printed_without_any_toolchain(
    no_toolchain: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["strip", str(model), "--print-command"]) == 0
    said = capsys.readouterr().out.split()
    assert said[0] == "hb_model_modifier" and said.count("-r") == 2 and said[-1].endswith("small_modified.bin")


@pytest.mark.parametrize(
    "arguments",
    [[], ["no_such.bin"], ["--log", "no_such.log"], ["x.bin", "--log", "y.log"]],
)
def test_bad_calls_are_two_lines(no_toolchain: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(["strip", *arguments]) == 2
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == ["error", "hint"]


def test_an_unknown_role_is_named(stand_in: StandIn, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["strip", str(model), "--also", "claas"]) == 2
    assert "'claas'" in capsys.readouterr().err
