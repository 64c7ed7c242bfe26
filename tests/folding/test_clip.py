"""Clips behind convolutions."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.errors import ConfigError, ModelError
from edgekit.folding.clip import clip_outputs
from edgekit.graph.onnx_graph import index_graph
from tests.folding.graphs import assert_names_kept, built, image, run
from tests.sim.compiler.graphs import FloatModel


def net(m: FloatModel) -> None:
    x = m.swish(m.conv("images", 3, 4, k=3, name="a"))
    weight = m.constant(m.rng.normal(0, 0.5, (4, 2, 2, 2)).astype(np.float32))
    m.head(m.node("ConvTranspose", [x, weight], "up", kernel_shape=[2, 2], strides=[2, 2]))
    m.outputs.append(m.conv(x, 4, 2, name="last"))


def test_every_reader_gets_the_clipped_tensor(tmp_path: Path) -> None:
    model = built(tmp_path, net)
    before = model.SerializeToString()
    limit = 0.75
    after = clip_outputs(model, {"a_out0": limit})
    onnx.checker.check_model(after)
    assert_names_kept(model, after)
    assert model.SerializeToString() == before and clip_outputs(model, {}) == model
    found = run(after, image(), ["a_out0", "a_out0_unclipped", "mul_2_out0"])
    whole = run(model, image(), ["a_out0"])["a_out0"]
    assert np.array_equal(found["a_out0_unclipped"], whole)
    inside = np.abs(whole) <= limit
    assert inside.any() and not inside.all()
    assert np.array_equal(found["a_out0"][inside], whole[inside])
    assert np.array_equal(found["a_out0"][~inside], np.sign(whole[~inside]) * np.float32(limit))
    clipped = found["a_out0"]
    assert np.allclose(found["mul_2_out0"], clipped / (1 + np.exp(-clipped)), atol=1e-6)


def test_the_form_that_the_compiler_takes_in(tmp_path: Path) -> None:
    after = clip_outputs(built(tmp_path, net), {"a_out0": 2.5})
    index = index_graph(after)
    clip = index.producers["a_out0"]
    assert (clip.op_type, clip.input[0], len(clip.attribute)) == ("Clip", "a_out0_unclipped", 0)
    assert index.producers["a_out0_unclipped"].name == "a"
    assert [n.op_type for n in index.consumers["a_out0_unclipped"]] == ["Clip"]
    bounds = [index.constants[name] for name in clip.input[1:]]
    assert [(b.shape, b.dtype.name, float(b)) for b in bounds] == [((), "float32", -2.5), ((), "float32", 2.5)]


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"nowhere": 1.0}, "made by nothing"),
        ({"up_out0": 1.0}, "made by ConvTranspose"),
        ({"mul_2_out0": 1.0}, "made by Mul"),
        ({"last_out0": 1.0}, "graph output"),
        ({"a_out0": 0.0}, "positive finite"),
        ({"a_out0": float("nan")}, "positive finite"),
        ({"a_out0": float("inf")}, "positive finite"),
    ],
)
def test_what_cannot_be_clipped_is_named(tmp_path: Path, limits: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        clip_outputs(built(tmp_path, net), limits)
    assert caught.value.hint


def test_a_second_clip_is_refused(tmp_path: Path) -> None:
    once = clip_outputs(built(tmp_path, net), {"a_out0": 1.0})
    with pytest.raises(ConfigError, match="made by Clip"):
        clip_outputs(once, {"a_out0": 0.5})


def test_an_old_opset_is_named(tmp_path: Path) -> None:
    model = built(tmp_path, net)
    model.opset_import[0].version = 10
    with pytest.raises(ModelError, match="opset 10"):
        clip_outputs(model, {"a_out0": 1.0})
