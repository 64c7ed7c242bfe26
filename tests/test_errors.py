"""What an error quotes of foreign files is fit for a terminal."""

from __future__ import annotations

import pickle

from edgekit.errors import MAX_MESSAGE, DataError


def test_control_characters_of_foreign_text_never_reach_the_terminal() -> None:
    error = DataError("a.txt says \x1b]0;title\x07\x1b[31mred\u202e", hint="fix \x1b[2J it")
    assert error.message == "a.txt says \ufffd]0;title\ufffd\ufffd[31mred\ufffd"
    assert error.hint == "fix \ufffd[2J it" and str(error) == error.message


def test_lines_letters_and_names_that_are_no_utf8_stay_as_they_are() -> None:
    text = "a list:\n\t中文 é 🙂 image\udce9.png"
    assert DataError(text, hint="").message == text


def test_of_a_huge_text_the_ends_are_kept() -> None:
    message = DataError("begins " + "x" * 100_000 + " ends", hint="").message
    assert message.startswith("begins xxx") and message.endswith("xxx ends") and len(message) < MAX_MESSAGE


def test_errors_pickle_as_they_are() -> None:
    error = pickle.loads(pickle.dumps(DataError("one\x07", hint="two")))
    assert (type(error), error.message, error.hint) == (DataError, "one\ufffd", "two")
