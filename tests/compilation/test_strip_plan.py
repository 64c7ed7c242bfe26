"""Which nodes are stripped: by role through the node list, the same six whatever they are called."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.compilation.modifier_log import read_removable_nodes
from edgekit.compilation.strip_plan import STRIPPED_ROLES, plan_strip
from edgekit.errors import ConfigError, DataError, ModelError
from edgekit.spec import HeadSpec, InputSpec, ModelSpec, Preprocess, Role

# The tutorial's six: three mask heads, three box heads.
TUTORIAL = tuple(
    f"/model.22/cv{branch}.{scale}/cv{branch}.{scale}.2/Conv_output_0_HzDequantize"
    for branch in (4, 2)
    for scale in range(3)
)
SIZES = {8: 80, 16: 40, 32: 20}
LOGS_OF_2024 = ("hb_model_modifier_2024_list.txt", "hb_model_modifier_2024_remove.txt")


@dataclass(frozen=True)
class Node:
    name: str
    op_type: str = "Dequantize"
    outputs: tuple[str, ...] = ()


def segment_spec(names: dict[Role, tuple[str, str, str]], proto: str) -> ModelSpec:
    """A 640 segment model; `names` gives the outputs of each role at stride 8, 16 and 32."""
    channels = {"box": 64, "class": 80, "mask": 32}
    heads = [
        HeadSpec(name, role, (1, SIZES[stride], SIZES[stride], channels[role]), stride)
        for role, three in names.items()
        for stride, name in zip(SIZES, three, strict=True)
    ]
    heads.append(HeadSpec(proto, "proto", (1, 160, 160, 32), 4))
    labels = tuple(map(str, range(80)))
    return ModelSpec("segment", labels, InputSpec("images"), Preprocess(640, 640), tuple(heads))


SPEC_2025 = segment_spec(
    {"mask": ("451", "459", "467"), "box": ("475", "483", "491"), "class": ("499", "507", "515")}, "443"
)
SPEC_2024 = segment_spec(
    {"mask": ("output0", "output1", "371"), "box": ("379", "387", "395"), "class": ("403", "411", "419")}, "347"
)


def all_nodes(spec: ModelSpec, call: str = "{}_HzDequantize") -> list[Node]:
    """All ten nodes offered, called after their outputs."""
    return [Node(call.format(head.name), outputs=(head.name,)) for head in spec.outputs]


def removed_outputs(nodes: list[Node], spec: ModelSpec) -> set[str]:
    return {decision.output for decision in plan_strip(nodes, spec).decisions if decision.remove}


@pytest.mark.parametrize("with_sidecar", [True, False])
def test_the_tutorials_six_of_the_2025_log(shared_data: Path, with_sidecar: bool) -> None:
    for name in ("hb_model_modifier_list.log", "hb_model_modifier_remove.log"):
        model, nodes = read_removable_nodes(shared_data / "horizon" / "yolov8n_seg_nv12" / name)
        plan = plan_strip(nodes, SPEC_2025 if with_sidecar else None)
        assert plan.removed == TUTORIAL and model == "yolov8n_seg_bayese_640x640_nv12.bin"
        assert len(plan.decisions) == 10 and bool(plan.notes) != with_sidecar


@pytest.mark.parametrize("name", LOGS_OF_2024)
def test_the_tutorials_six_of_the_2024_logs(shared_data: Path, name: str) -> None:
    _, nodes = read_removable_nodes(shared_data / "horizon" / "logs" / name)
    assert plan_strip(nodes, None).removed == TUTORIAL
    if name.endswith("list.txt"):  # the other one tells no outputs
        assert plan_strip(nodes, SPEC_2024).removed == TUTORIAL


def test_the_compiled_model_itself_gives_the_same_six(shared_data: Path) -> None:
    from edgekit.binary.bin_format import read_bin

    folder = shared_data / "horizon" / "yolov8n_seg_nv12"
    nodes = read_bin(folder / "yolov8n_seg_bayese_640x640_nv12.bin").nodes
    assert plan_strip(nodes, SPEC_2025).removed == plan_strip(nodes, None).removed == TUTORIAL
    done = read_bin(folder / "yolov8n_seg_bayese_640x640_nv12_modified.bin")
    assert done.deleted_nodes == TUTORIAL and plan_strip(done.nodes, SPEC_2025).removed == ()


@pytest.mark.parametrize("call", ["{}_HzDequantize", "node_{}", "/model.22/cv3.0/{}_HzDequantize"])
def test_the_same_six_when_ten_are_offered_under_other_names(call: str) -> None:
    """Bare names, names that mean nothing, names that lie: the output decides."""
    expected = {"451", "459", "467", "475", "483", "491"}
    assert removed_outputs(all_nodes(SPEC_2025, call), SPEC_2025) == expected


def test_bare_names_without_outputs() -> None:
    """Console output tells names alone."""
    nodes = [Node(f"{head.name}_HzDequantize") for head in SPEC_2025.outputs]
    assert removed_outputs(nodes, SPEC_2025) == {"451", "459", "467", "475", "483", "491"}


@given(st.randoms(use_true_random=False))
def test_the_order_of_heads_and_nodes_does_not_matter(rng: random.Random) -> None:
    heads, nodes = list(SPEC_2025.outputs), all_nodes(SPEC_2025)
    rng.shuffle(heads)
    rng.shuffle(nodes)
    shuffled = ModelSpec("segment", SPEC_2025.names, SPEC_2025.input, SPEC_2025.preprocess, tuple(heads))
    plan = plan_strip(nodes, shuffled)
    assert {decision.output for decision in plan.decisions if decision.remove} == {
        "451",
        "459",
        "467",
        "475",
        "483",
        "491",
    }
    assert plan.removed == tuple(node.name for node in nodes if node.name in plan.removed)


def test_roles_on_request() -> None:
    plan = plan_strip(all_nodes(SPEC_2025), SPEC_2025, roles=(*STRIPPED_ROLES, "class", "proto"))
    assert len(plan.removed) == 10
    assert plan_strip(all_nodes(SPEC_2025), SPEC_2025, roles=()).removed == ()


def test_how_much_is_saved() -> None:
    """Hand-counted: (80*80 + 40*40 + 20*20) cells of 64 + 32 channels."""
    assert plan_strip(all_nodes(SPEC_2025), SPEC_2025).values_saved == 8400 * 96


def test_every_choice_says_why() -> None:
    plan = plan_strip([*all_nodes(SPEC_2025)[:-1], Node("sub", "BPU", ("443",))], SPEC_2025)
    assert [decision.reason for decision in plan.decisions if decision.role == "proto"] == [
        "has no Dequantize node: nothing to remove"
    ]
    assert all(decision.reason for decision in plan.decisions)


def test_other_operators_are_left_alone() -> None:
    nodes = [*all_nodes(SPEC_2025), Node("t", "Transpose", ("451",)), Node("q", "Quantize", ("images",))]
    assert len(plan_strip(nodes, SPEC_2025).decisions) == 10


def test_a_node_that_is_no_output_of_the_sidecar() -> None:
    with pytest.raises(ModelError, match="'999', which is no output") as caught:
        plan_strip([Node("x_HzDequantize", outputs=("999",))], SPEC_2025)
    assert "--sidecar" in caught.value.hint


def test_an_output_that_the_model_does_not_have() -> None:
    nodes = [*all_nodes(SPEC_2025)[1:], Node("sub", "BPU", ("x",))]
    with pytest.raises(ModelError, match="'451' is none of the model"):
        plan_strip(nodes, SPEC_2025)


def test_names_that_say_nothing_need_a_sidecar() -> None:
    with pytest.raises(ModelError, match="no sidecar, and node names"):
        plan_strip(all_nodes(SPEC_2025), None)
    with pytest.raises(ModelError, match="no sidecar"):
        plan_strip([], None)


def test_one_to_one_branches_are_known() -> None:
    names = ("/model.23/one2one_cv2.0/x_HzDequantize", "/model.23/one2one_cv3.0/x_HzDequantize")
    assert plan_strip([Node(name, outputs=("o",)) for name in names], None).removed == names[:1]


def test_an_unknown_role() -> None:
    with pytest.raises(ConfigError, match="'claas' is unknown"):
        plan_strip([], SPEC_2025, roles=("claas",))


@pytest.mark.parametrize(
    "text", ["hello\n", "Nodes that can be deleted: []\n", "Nodes that can be deleted: ['x_Transpose']\n"]
)
def test_a_log_without_removable_nodes(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.log"
    path.write_text(text)
    with pytest.raises(DataError, match="lists no Dequantize node"):
        read_removable_nodes(path)
