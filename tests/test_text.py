"""Text, JSON and numbers from strangers: read right, or refused with the place and a way out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.errors import ConfigError, DataError
from edgekit.text import check_choice, check_integer, check_number, decode_text, parse_json, printable, read_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_names_the_encoding_and_is_dropped(encoding: str) -> None:
    assert decode_text("person\r\nPkw\rÄpfel".encode(encoding), "names.txt") == "person\nPkw\nÄpfel"


def test_bytes_that_are_no_text_are_named_by_place_and_offset() -> None:
    with pytest.raises(DataError, match=r"names\.txt is not UTF-8 text \(byte 2"):
        decode_text(b"ab\xff", "names.txt")
    with pytest.raises(ConfigError, match="NUL"):
        decode_text(b"a\0b", "x", error=ConfigError)


def test_a_file_is_refused_before_it_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_bytes(b"x" * 100)
    assert read_text(path, max_bytes=100) == "x" * 100
    with pytest.raises(DataError, match="expected at most 99"):
        read_text(path, max_bytes=99)
    with pytest.raises(DataError, match="does not exist"):
        read_text(tmp_path / "none.txt")
    with pytest.raises(DataError, match="cannot be read"):
        read_text(tmp_path / ("n" * 300))


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "a": 2}', "[1e999]", "[NaN]", "[Infinity]", "[" * 100_000, "9" * 5000, "{", b"[\xff]"],
    ids=["repeated key", "float out of range", "NaN", "infinity", "deep", "long integer", "cut off", "no text"],
)
def test_json_is_read_strictly(text: str | bytes) -> None:
    with pytest.raises(DataError, match="row"):
        parse_json(text, "row")


def test_brackets_in_strings_are_no_nesting() -> None:
    value = {"a": ["[" * 200, '"\\' + "{" * 200], "b": [[1.5]]}
    assert parse_json(json.dumps(value), "row") == value


def test_numbers_are_checked_for_kind_range_and_finiteness() -> None:
    assert check_integer(3, "nc", low=1, high=3) == 3
    assert check_number(2, "scale") == 2.0
    for bad in (True, 1.0, "1", 0, 4, 10**400, None):
        with pytest.raises(DataError, match="nc is .* expected an integer from 1 to 3"):
            check_integer(bad, "nc", low=1, high=3)
    for wrong in (True, "1", float("nan"), float("inf"), 10**400, -(10**5000), [1]):
        with pytest.raises(DataError, match="scale is .* expected a number"):
            check_number(wrong, "scale")


def test_a_choice_is_the_member_that_it_equals() -> None:
    assert check_choice("b", ("a", "b"), "letter") == "b"
    for wrong in ("c", "", None, 1, ["a"]):
        with pytest.raises(DataError, match="^letter is .*, expected one of a, b$") as refused:
            check_choice(wrong, ("a", "b"), "letter")
        assert refused.value.hint == "correct letter there"


def test_hostile_text_reaches_no_terminal_as_it_is() -> None:
    assert printable("\x1b[31mred\x07\n\tok") == "\ufffd[31mred\ufffd\n\tok"
    assert printable("abc", 2) == "ab..."
