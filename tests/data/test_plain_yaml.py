from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.data.plain_yaml import parse_yaml, read_yaml
from edgekit.errors import ConfigError


def test_plain_values_are_read() -> None:
    assert parse_yaml("a: {b: [1, x]}\nc: null") == {"a": {"b": [1, "x"]}, "c": None}


def test_an_empty_text_is_nothing() -> None:
    assert parse_yaml("") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "line 2: key 'a' appears twice, first in line 1"),
        ("a: {b: 1, b: 2}", "key 'b' appears twice"),
        ("a: &x [1]\nb: *x", "line 2: alias"),
        ("a: !!python/object/apply:os.system ['true']", "line 1: could not determine a constructor"),
        ("a: [1, 2", "line 1"),
        ("? [a, b]\n: 1", "a key is no plain text"),
        ("a: " + "9" * 5000, "line 1: a number of 5000 characters"),
        ("a: " + "9" * 400_000, "line 1: a number of 400000 characters"),
        ("a: 0x" + "9" * 400_000, "line 1: a number of 400002 characters"),
        ("a: " + "1:" * 100_000 + "1", "line 1: a number of 200001 characters"),
        ("b: 1\na: !!int ''", "line 2: '' cannot be read as 'int'"),
        ("a: !!int '-'", "'-' cannot be read as 'int'"),
        ("a: !!int {=: ''}", "a mapping cannot be read as 'int'"),
        ("a: !!float ''", "'' cannot be read as 'float'"),
        ("a: !!bool maybe", "'maybe' cannot be read as 'bool'"),
        ("a: !!timestamp foo", "'foo' cannot be read as 'timestamp'"),
        ("a: 2001-99-99", "'2001-99-99' cannot be read as 'timestamp'"),
        ("a: !!map [a]", "line 1: a sequence, expected a mapping"),
        ("!!map [a]", "line 1: a sequence, expected a mapping"),
        ("a: !!set [a]", "line 1: a sequence, expected a mapping"),
        ("a: !!omap [a]", "line 1: expected a mapping of length 1"),
        ("a: !!binary 'x'", "line 1: failed to decode base64"),
        ("? !!int ''\n: 1", "'' cannot be read as 'int'"),
        ("<<: [a]", "line 1: expected a mapping for merging"),
        ("a: =", "line 1: could not determine a constructor"),
        ('a: "\\ud800"', "line 1: half of a surrogate pair"),
        ('a: "\\U00110000"', "cannot be read as yaml"),
        ("[" * 20000, "cannot be read as yaml"),
        ("a: \x07", "cannot be read as yaml"),
    ],
)
def test_what_is_not_plain_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=r"some\.yaml") as caught:
        parse_yaml(text, location="some.yaml")
    assert message in caught.value.message
    assert "\n" not in caught.value.message and caught.value.hint


def test_nested_aliases_do_not_blow_up() -> None:
    levels = ["l0: &l0 [x, x]"] + [f"l{i}: &l{i} [*l{i - 1}, *l{i - 1}]" for i in range(1, 40)]
    with pytest.raises(ConfigError, match="alias"):
        parse_yaml("\n".join(levels))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml does not exist"):
        read_yaml(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml(tmp_path)
    big = tmp_path / "big.yaml"
    big.write_text("a: b\n" * 10)
    with pytest.raises(ConfigError, match="expected at most 20"):
        read_yaml(big, max_bytes=20)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-16-LE text"):
        read_yaml(binary)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read_yaml(path) == {"a": 1, "b": 2}


def test_a_repeated_key_takes_its_last_value_where_the_caller_is_told() -> None:
    told: list[str] = []
    assert parse_yaml("a: 1\nb: {c: 2, c: 3}\na: 4", on_repeat=told.append) == {"a": 4, "b": {"c": 3}}
    assert sorted(told) == [
        "key 'a' appears twice, in line 1 and line 3; the last one counts",
        "key 'c' appears twice, in line 2 and line 2; the last one counts",
    ]
