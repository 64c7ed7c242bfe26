"""Bytes between chip and memory, by hand."""

from __future__ import annotations

from edgekit.latency.layer import FeatureMap, Layer
from edgekit.latency.traffic import traffic


def one(name: str, size: int = 100, bits: int = 8) -> FeatureMap:
    return FeatureMap(name, (1, 1, 1, size), bits)


def test_weights_pictures_and_results() -> None:
    layers = [
        Layer("a", "Conv", (one("x"),), (one("p"),), weight_bytes=7, is_input=True),
        Layer("b", "Conv", (one("p"),), (one("y"),), weight_bytes=9, is_output=True),
    ]
    first, second = traffic(layers, 1000)
    assert (first.load, first.store) == (7 + 50, 0)
    assert (second.load, second.store) == (9, 100)


def test_a_map_kept_for_later_stays_where_it_fits() -> None:
    layers = [
        Layer("a", "Conv", (one("x"),), (one("skip"),)),
        Layer("b", "Conv", (one("skip"),), (one("p"),)),
        Layer("c", "Conv", (one("p"),), (one("q"),)),
        Layer("d", "Concat", (one("q"), one("skip")), (one("y"),)),
    ]
    assert all(row.load == row.store == 0 for row in traffic(layers, 100))
    stored = traffic(layers, 99)
    assert [row.store for row in stored] == [0, 100, 0, 0]
    assert [row.load for row in stored] == [0, 0, 0, 100]


def test_a_map_of_16_bits_takes_the_room_of_two() -> None:
    kept = one("skip", 50, bits=16)
    layers = [
        Layer("a", "Conv", (one("x"),), (kept,)),
        Layer("b", "Conv", (kept,), (one("p"),)),
        Layer("c", "Conv", (one("p"),), (one("q"),)),
        Layer("d", "Concat", (one("q"), kept), (one("y"),)),
    ]
    assert all(row.load == row.store == 0 for row in traffic(layers, 200))
    stored = traffic(layers, 199)
    assert [row.store for row in stored] == [0, 100, 0, 0]  # its own bytes move, no more
    assert [row.load for row in stored] == [0, 0, 0, 100]


def test_what_goes_is_what_is_read_last() -> None:
    layers = [
        Layer("a", "Conv", (one("x"),), (one("far"),)),
        Layer("b", "Conv", (one("x"),), (one("near"),)),
        Layer("c", "Conv", (one("x"),), (one("p"),)),
        Layer("d", "Conv", (one("p"),), (one("q"),)),
        Layer("e", "Concat", (one("near"), one("q")), (one("r"),)),
        Layer("f", "Concat", (one("far"), one("r")), (one("y"),)),
    ]
    loads = [row.load for row in traffic(layers, 100)]
    assert loads == [0, 0, 0, 0, 0, 100]


def test_the_cpu_moves_nothing_here() -> None:
    assert traffic([Layer("q", "Dequantize", (one("x"),), (one("y"),), on_cpu=True)], 0)[0].load == 0
