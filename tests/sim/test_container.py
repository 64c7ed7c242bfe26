"""The simulated .bin: round trip, and everything that is not one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from edgekit.artifacts import SIM_MAGIC as MAGIC
from edgekit.errors import ModelError
from edgekit.sim.container import is_sim_bin, read_sim_bin, write_sim_bin
from tests.sim.test_graph import conv_graph, stripped_graph


@pytest.fixture
def sim_bin(tmp_path: Path) -> Path:
    path = tmp_path / "m.bin"
    write_sim_bin(path, stripped_graph(), march="bayes-e", removed=["out_HzDequantize"], tools={"maker": "1"})
    return path


def test_round_trip(sim_bin: Path) -> None:
    found = read_sim_bin(sim_bin)
    assert is_sim_bin(sim_bin)
    assert found.graph == stripped_graph()
    assert (found.march, found.removed, found.tools["maker"]) == ("bayes-e", ("out_HzDequantize",), "1")
    assert found.input_kind == "featuremap"


def test_the_same_graph_gives_the_same_bytes(sim_bin: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.bin"
    write_sim_bin(again, stripped_graph(), march="bayes-e", removed=["out_HzDequantize"], tools={"maker": "1"})
    assert again.read_bytes() == sim_bin.read_bytes()


def test_writing_checks_graph_and_names(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        write_sim_bin(tmp_path / "a.bin", b"nonsense", march="bayes-e")
    with pytest.raises(ModelError, match="cannot be left out"):
        write_sim_bin(tmp_path / "a.bin", conv_graph(), march="bayes-e", removed=["my_conv"])
    with pytest.raises(ModelError, match="'march' is wrong"):
        write_sim_bin(tmp_path / "a.bin", conv_graph(), march=cast(Any, "x86"))
    assert not (tmp_path / "a.bin").exists()


def test_every_truncation_is_refused(sim_bin: Path) -> None:
    data = sim_bin.read_bytes()
    for size in [0, 5, len(MAGIC), 20, 30, 100, len(data) // 2, len(data) - 1]:
        sim_bin.write_bytes(data[:size])
        with pytest.raises(ModelError):
            read_sim_bin(sim_bin)


def test_flipped_bytes_are_refused(sim_bin: Path) -> None:
    data = sim_bin.read_bytes()
    for place in [0, len(MAGIC) + 2, len(MAGIC) + 5, 60, len(data) - 10]:
        changed = bytearray(data)
        changed[place] ^= 0x41
        sim_bin.write_bytes(changed)
        with pytest.raises(ModelError):
            read_sim_bin(sim_bin)


def test_an_enormous_header_is_refused_before_it_is_read(sim_bin: Path) -> None:
    data = sim_bin.read_bytes()
    sim_bin.write_bytes(data.replace(data[len(MAGIC) + 4 : len(MAGIC) + 12], b"ffffffff", 1))
    with pytest.raises(ModelError, match="header of 4294967295 bytes"):
        read_sim_bin(sim_bin)


def test_a_newer_format_is_refused(sim_bin: Path) -> None:
    sim_bin.write_bytes(sim_bin.read_bytes().replace(MAGIC + b" 01", MAGIC + b" 02", 1))
    with pytest.raises(ModelError, match="format 2"):
        read_sim_bin(sim_bin)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", -1),
        ("size", "9"),
        ("removed", "all"),
        ("tools", []),
        ("input", "x"),
        ("march", []),
        ("tools", {"a": "\x1b[2J"}),
    ],
)
def test_wrong_header_fields_are_named(sim_bin: Path, field: str, value: object) -> None:
    data = sim_bin.read_bytes()
    length = int(data[len(MAGIC) + 4 : len(MAGIC) + 12], 16)
    start = len(MAGIC) + 13
    header = {**json.loads(data[start : start + length]), field: value}
    text = json.dumps(header).encode()
    sim_bin.write_bytes(MAGIC + b" 01 %08x\n" % len(text) + text + data[start + length :])
    with pytest.raises(ModelError, match=f"'{field}' is wrong"):
        read_sim_bin(sim_bin)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'{"size": 1e999}',
        b'{"size": 1, "size": 2}',
        b"{\xff}",
        b'{"size": ' + b"9" * 5000 + b"}",
        b"[]",
    ],
)
def test_headers_that_are_no_sound_json_are_refused(sim_bin: Path, text: bytes) -> None:
    sim_bin.write_bytes(MAGIC + b" 01 %08x\n" % len(text) + text)
    with pytest.raises(ModelError, match=str(sim_bin)):
        read_sim_bin(sim_bin)


def test_a_real_bin_is_no_simulated_one(tmp_path: Path) -> None:
    path = tmp_path / "real.bin"
    path.write_bytes(b"\x08\x05\x12" + bytes(100))
    assert not is_sim_bin(path) and not is_sim_bin(tmp_path / "missing.bin")
    with pytest.raises(ModelError, match="expected a simulated .bin"):
        read_sim_bin(path)
