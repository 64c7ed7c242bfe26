"""Answers of a board that are not what its scripts print."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pytest

from edgekit.deploy.board_answer import ask, read_checks, read_perf
from edgekit.errors import DeviceError
from edgekit.records import envelope

CHECK = {"state": "ok", "name": "HBRT", "value": "3.15", "expected": "at least 3.15"}
RUN: dict[str, Any] = {"threads": 1, "fps": 90.5, "cpu_percent": 60, "stages": {"infer": {"p50": 6.4}}}
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp"


def answers(*values: object) -> list[str]:
    return [json.dumps(value) for value in values]


def checks(value: object) -> str:
    return json.dumps({**envelope("checks"), "checks": value})


NO_JSON = ["", "hello", "Welcome to RDK\n[]", "[" * 100_000, "{" * 100_000, '{"a": 1, "a": 2}', "9" * 10_000, "\0[]"]


@pytest.mark.parametrize(
    "text",
    [
        *NO_JSON,
        *answers(None, 3, "x", {}, [CHECK], {"checks": []}),
        *map(checks, (None, 3, [1], [[]], [None], [{}])),
        *(checks([{**CHECK, name: bad}]) for name, bad in (("state", 3), ("value", None), ("expected", [[]]))),
    ],
    ids=lambda text: text[:30],
)
def test_checks_of_another_shape_are_refused_in_two_lines(text: str) -> None:
    with pytest.raises(DeviceError, match="the answer of the board") as caught:
        read_checks(text)
    assert "\n" not in caught.value.message and len(caught.value.message) < 700 and caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        *NO_JSON,
        *answers(None, 3, "x", [], {}, {"runs": None}, {"runs": {}}, {"runs": [1]}, {"runs": [{}]}),
        *answers(*({"runs": [{**RUN, name: bad}]} for name in RUN for bad in (None, "1", [], {}, True, -1, 10**400))),
        *answers({"runs": [{**RUN, "stages": {"infer": {"p50": "6"}}}]}, {"runs": [{**RUN, "stages": {"infer": 6}}]}),
        json.dumps({"runs": [{**RUN, "fps": float("nan")}]}),
    ],
    ids=lambda text: text[:60],
)
def test_measurements_of_another_shape_are_refused_in_two_lines(text: str) -> None:
    with pytest.raises(DeviceError, match="the answer of the board") as caught:
        read_perf(text)
    assert "\n" not in caught.value.message and len(caught.value.message) < 700 and caught.value.hint


def test_what_the_scripts_print_is_read() -> None:
    assert read_checks(checks([CHECK])) == [CHECK]
    assert read_perf(json.dumps({"runs": [RUN], "machine": {"load": [0.5, None]}}))["runs"] == [RUN]


def test_escape_sequences_never_reach_the_terminal() -> None:
    (check,) = read_checks(checks([{**CHECK, "value": ESCAPES + "\nok   all: fine"}]))
    assert check["value"].isprintable() and "\n" not in check["value"]
    perf = read_perf(json.dumps({"runs": [RUN], "model": ESCAPES, ESCAPES: [ESCAPES]}))
    assert all(text.isprintable() for text in (perf["model"], *perf, *(v[0] for k, v in perf.items() if "owned" in k)))
    with pytest.raises(DeviceError) as caught:
        read_checks(ESCAPES)
    assert caught.value.message.isprintable()


def test_an_answer_without_end_is_cut_off() -> None:
    endless = [sys.executable, "-c", "while True: print('x' * 10000)"]
    begun = time.monotonic()
    with pytest.raises(DeviceError, match="over 100000 bytes"):
        ask(endless, timeout_s=60, max_bytes=100_000)
    assert time.monotonic() - begun < 30


def test_a_command_without_end_is_ended() -> None:
    with pytest.raises(TimeoutError, match="no end after"):
        ask([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.5)


def test_both_outputs_and_the_code_come_back() -> None:
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    answer = ask([sys.executable, "-c", script], timeout_s=60)
    assert (answer.code, answer.output.strip(), answer.errors.strip()) == (3, "out", "err")
