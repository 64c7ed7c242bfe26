"""Which channels may be scaled, and which share one factor."""

from pathlib import Path

import numpy as np
import pytest

from edgekit.folding.channel_groups import trace_channels
from tests.folding.graphs import Build, built
from tests.sim.compiler.graphs import FloatModel


def traced(folder: Path, build: Build):  # type: ignore[no-untyped-def]
    channels = trace_channels(built(folder, build))
    return channels, {name: channels.free[labels] for name, labels in channels.labels.items()}


def test_add_joins_and_concat_lines_up(tmp_path: Path) -> None:
    def build(m: FloatModel) -> None:
        a = m.conv("images", 3, 4, name="a")
        total = m.node("Add", [a, m.conv("images", 3, 4, name="b")], "sum")
        joined = m.node("Concat", [total, m.swish(m.conv("images", 3, 2, name="c"))], "cat", axis=1)
        m.head(m.conv(joined, 6, 3, name="last"))

    channels, free = traced(tmp_path, build)
    labels = channels.labels
    assert np.array_equal(labels["a_out0"], labels["b_out0"])
    assert np.array_equal(labels["cat_out0"][:4], labels["a_out0"])
    assert free["cat_out0"].tolist() == [True] * 4 + [False] * 2
    assert not free["c_out0"].any() and not free["images"].any() and not free["last_out0"].any()


def test_split_and_slice_follow_their_part(tmp_path: Path) -> None:
    def build(m: FloatModel) -> None:
        one, two = m.node("Split", [m.conv("images", 3, 5, name="a")], count=2, axis=1, split=[2, 3])
        ends = [m.constant(np.array([v], np.int64)) for v in (1, 3, 1)]
        part = m.node("Slice", [two, *ends])
        m.head(m.conv(one, 2, 2))
        m.head(m.node("Sigmoid", [part]))

    _, free = traced(tmp_path, build)
    assert free["a_out0"].tolist() == [True, True, True, False, False]


@pytest.mark.parametrize("op", ["Sigmoid", "Tanh", "Abs", "Softplus"])
def test_everything_else_ends_a_set(tmp_path: Path, op: str) -> None:
    def build(m: FloatModel) -> None:
        m.head(m.conv(m.node(op, [m.conv("images", 3, 4, name="a")]), 4, 2))

    assert not traced(tmp_path, build)[1]["a_out0"].any()
