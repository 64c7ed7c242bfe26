from __future__ import annotations

import pytest

from edgekit.data.label_faults import Faults, as_integer, as_number, words
from edgekit.errors import DataError


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, 5), (5.0, 5), ("5", 5), ("000000001353", 1353), (" -7 ", -7), ("5.0", 5), ("5.", 5), (2**62, 2**62)],
)
def test_whole_numbers_in_every_writing(value: object, expected: int) -> None:
    assert as_integer(value) == expected


@pytest.mark.parametrize(
    "value",
    [True, None, 5.5, "5.5", "", "x", "0x5", "1_0", "٣", "9" * 30, 10**400, 2.0**60, float("nan"), float("inf"), []],
)
def test_what_is_no_whole_number(value: object) -> None:
    assert as_integer(value) is None


def test_numbers_are_finite_and_within_bounds() -> None:
    assert [as_number(v) for v in (5, 0.5, "0.5", "-.5", "1e-3", "2.500000000000000000e-01")] == [
        5.0, 0.5, 0.5, -0.5, 0.001, 0.25,
    ]  # fmt: skip
    for value in (True, None, "", "nan", "inf", "1_0", "1e999", float("nan"), float("-inf"), 10**400, [], "1" * 50):
        assert as_number(value) is None
    assert as_number(5, high=4) is None and as_integer(5, high=4) is None


def test_faults_are_told_by_kind_with_counts_and_the_first_places() -> None:
    faults = Faults()
    assert len(faults) == 0 and faults.notes("x") == ()
    faults.refuse("x", hint="none")
    for i in range(5):
        faults.add(f"a[{i}]", "\x1b[31m" + "y" * 500, "z")
    faults.add("b", words("out of range"), "w", effect="computed")
    text = faults.tell("set.json")
    assert text.startswith("set.json has 6 faults: 5 left out (a[0] is '\\x1b[31myyy")
    assert "and 2 more), expected z; 1 computed (b is out of range), expected w" in text
    assert text.isprintable() and len(text) < 400 and faults.notes("set.json") == (text,)
    with pytest.raises(DataError) as caught:
        faults.refuse("set.json", hint="fix them")
    assert (caught.value.message, caught.value.hint) == (text, "fix them")
