"""What 16 bits may cost: the price by march; limits in shares, milliseconds and frames per second as one share."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgekit.errors import ConfigError
from edgekit.latency.layer import graph_layers
from edgekit.latency.price import WidthPrice
from edgekit.sim.graph import load_graph
from edgekit.tuning.candidate import Candidate
from edgekit.tuning.price import SharePrice, limit_share, make_price, most_share
from edgekit.tuning.run import _time_notes
from edgekit.tuning.search import SearchContext, Targets
from tests.latency.graphs import two_convs
from tests.latency.test_price import graph_of
from tests.tuning.test_cost import GRAPH


class FourMilliseconds:
    """A frame of 4 ms in 8 bits."""

    band = 0.1
    margin = fixed_cost = 0.0

    def share(self, wide: Collection[str]) -> float:
        return 0.25 * len(wide)

    def milliseconds(self, wide: Collection[str]) -> float | None:
        return 4.0 * (1 + self.share(wide))


def test_the_march_of_the_latency_model_has_milliseconds(tmp_path: Path) -> None:
    quantized = tmp_path / "m_quantized_model.onnx"
    quantized.write_bytes(two_convs())
    price = make_price("bayes-e", quantized, GRAPH)
    assert isinstance(price, WidthPrice) and price.milliseconds(()) == price.base_ms and price.band


def test_other_marches_have_a_share_of_the_work(tmp_path: Path) -> None:
    price = make_price("bayes", tmp_path / "not_read.onnx", GRAPH)
    assert isinstance(price, SharePrice) and price.band is None
    assert price.share({"a"}) > 0 and price.milliseconds({"a"}) is None


@pytest.mark.parametrize(
    ("options", "share"),
    [
        ({}, 0.25),
        ({"max_extra_ms": 0.4}, 0.1),
        ({"max_extra_ms": 4.0}, 0.25),
        ({"fps": 200.0}, 0.25),
        ({"fps": 240.0}, 1000 / 240 / 4 - 1),
        ({"fps": 240.0, "max_extra_ms": 0.04}, 0.01),
    ],
)
def test_the_smallest_limit_counts(options: dict[str, float], share: float) -> None:
    limits = {"max_extra_cost": 0.25, "max_extra_ms": None, "fps": None, **options}
    assert most_share(FourMilliseconds(), (), **limits) == pytest.approx(share)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("most", "fixed_cost", "int16", "limit"),
    [
        (0.1, 0.0, "a", 0.08),  # what is spent may cost a quarter more
        (0.1, 0.04, "a", 0.06 / 1.25),  # and something for the first
        (0.1, 0.11, "a", -math.inf),
        (0.1, 0.1, "ao", 0.25 / 1.25 - 0.25),  # what outputs save is spent, too
        (0.0, 0.1, "ao", (0.002 + 0.15) / 1.25 - 0.25),
        (0.0, 0.0, "a", 0.002 / 1.25),
        (0.0, 0.1, "a", -math.inf),
        (-0.1, 0.1, "ao", 0.05 / 1.25 - 0.25),  # a frame that has to become shorter
        (-0.1, 0.0, "a", -math.inf),
        (None, 0.0, "ao", -math.inf),
    ],
)
def test_16_bits_inside_cost_more_than_estimated(
    most: float | None, fixed_cost: float, int16: str, limit: float
) -> None:
    price = SimpleNamespace(
        margin=0.25, fixed_cost=fixed_cost, share=lambda tensors: 0.01 * len(tensors) - 0.26 * ("o" in tensors)
    )
    context: Any = SimpleNamespace(
        outputs=frozenset({"o"}), price=price, targets=Targets(0.5, most, retention=0.99), allowance=None
    )
    assert SearchContext.limit(context, Candidate("set", int16=tuple(int16)), least=0.002) == pytest.approx(limit)


def test_compiled_frames_say_what_may_be_spent() -> None:
    context: Any = SimpleNamespace(targets=Targets(0.5, 0.1, retention=0.99), allowance=-0.02)
    assert SearchContext.limit(context, Candidate("set"), least=0.002) == -0.02
    context.targets = Targets(0.5, None, retention=0.99)
    assert SearchContext.limit(context, Candidate("set")) == -math.inf


def test_limits_are_shares_of_the_frame_that_was_compiled() -> None:
    assert limit_share(5.0, max_extra_cost=0.25, max_extra_ms=None, fps=None) == 0.25
    assert limit_share(5.0, max_extra_cost=0.25, max_extra_ms=0.5, fps=None) == pytest.approx(0.1)
    assert limit_share(5.0, max_extra_cost=0.25, max_extra_ms=0.5, fps=250.0) == pytest.approx(-0.2)


@pytest.mark.parametrize(
    ("most", "extra_cost", "words"),
    [
        (None, 0.0, ""),  # a BPU without 16 bits
        (0.2, 0.1, ""),
        (0.0, 0.0, "no layer inside was promoted"),
        (-0.1, 0.0, "longer than --fps allows"),
    ],
)
def test_notes_on_time(most: float | None, extra_cost: float, words: str) -> None:
    targets, step = Targets(0.5, most, retention=0.99), SimpleNamespace(extra_cost=extra_cost, milliseconds=4.0)
    limit = math.inf if most == 0.2 else -math.inf
    price = SimpleNamespace(fixed_cost=0.08)
    context: Any = SimpleNamespace(targets=targets, price=price, limit=lambda _: limit)
    step.candidate = None
    state: Any = SimpleNamespace(incumbent=step)
    notes = _time_notes(context, state)
    assert len(notes) == bool(words) and all(words in note for note in notes)


def test_frames_per_second_out_of_reach_are_refused() -> None:
    with pytest.raises(ConfigError, match="--fps is 300, expected at most 250"):
        most_share(FourMilliseconds(), (), max_extra_cost=0.25, max_extra_ms=None, fps=300)


def test_outputs_in_16_bits_count_for_frames_per_second() -> None:
    price = WidthPrice(graph_layers(load_graph(graph_of(8))))
    shorter = price.milliseconds({"c"})
    reachable, out_of_reach = 1000 / shorter - 1, 1000 / shorter + 1
    assert 1000 / price.base_ms < reachable
    limits = {"max_extra_cost": 0.25, "max_extra_ms": None}
    most = most_share(price, {"c"}, fps=reachable, **limits)  # type: ignore[arg-type]
    assert price.share({"c"}) < most < 0
    with pytest.raises(ConfigError, match="outputs in 16"):
        most_share(price, {"c"}, fps=out_of_reach, **limits)  # type: ignore[arg-type]


def test_milliseconds_without_a_latency_model_are_refused() -> None:
    with pytest.raises(ConfigError, match="need a latency model"):
        most_share(SharePrice(GRAPH), (), max_extra_cost=0.25, max_extra_ms=1.0, fps=None)
