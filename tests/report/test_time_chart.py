"""The plots of milliseconds: what they show, escaped, and nothing where nothing is known."""

from __future__ import annotations

from edgekit.latency.estimate import estimate_layers
from edgekit.latency.layer import graph_layers
from edgekit.logs.sensitivity import FrontPoint
from edgekit.report.time_chart import front_chart, time_chart
from edgekit.sim.graph import load_graph
from tests.latency.graphs import two_convs

POINTS = (
    FrontPoint("untuned", 1.0, 5.0, False),
    FrontPoint("<8> tensors", 0.6, 6.0, True),
    FrontPoint("slower and worse", 0.8, 7.0, False),
    FrontPoint("96 tensors", 0.2, 9.0, False),
)


def test_every_layer_has_its_dot_and_its_words() -> None:
    drawn = time_chart(estimate_layers(graph_layers(load_graph(two_convs()))), width=1000)
    assert drawn.count("<circle") == 3 and "bound by the multiply array" in drawn
    assert time_chart(None, width=1000) == ""


def test_the_front_joins_what_nothing_faster_beats() -> None:
    drawn = front_chart(POINTS, width=1000)
    assert drawn.count("<circle") == 4 and drawn.count('class="fall"') == 1
    line = drawn.split('class="line" points="')[1].split('"')[0]
    assert len(line.split()) == 3
    assert "&lt;8&gt; tensors: 6.00 ms, error 0.600, chosen" in drawn and "<8>" not in drawn


def test_one_setting_is_no_plot() -> None:
    assert front_chart(POINTS[:1], width=1000) == "" == front_chart((), width=1000)


def test_equal_milliseconds_are_drawn() -> None:
    drawn = front_chart((POINTS[0], FrontPoint("same", 0.5, 5.0, False)), width=380)
    assert drawn.count("<circle") == 2 and "nan" not in drawn
