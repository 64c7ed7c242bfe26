"""What a board answers over ssh: text of somebody else's machine, bounded, checked and made printable."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from edgekit.errors import DataError, DeviceError
from edgekit.records import check_envelope
from edgekit.text import check_number, parse_json, printable, shorten

MAX_ANSWER_BYTES = 8 << 20  # a measurement has some kB
PIECE_BYTES = 1 << 16
CHECK_FIELDS = ("state", "name", "value", "expected")
MAX_TEXT = 300
LOCATION = "the answer of the board"
HINT = "a login script that prints on standard output does that: silence it; or push again, which renews the scripts"


@dataclass(frozen=True, slots=True)
class Answer:
    """Exit code, standard output and standard error of a command."""

    code: int
    output: str
    errors: str


def ask(command: list[str], *, timeout_s: float, max_bytes: int = MAX_ANSWER_BYTES) -> Answer:
    """Run a command and take at most `max_bytes` of each of its outputs.

    Raises:
        DeviceError: Where it says more than that; it is ended then.
        OSError: Where it cannot be started.
        TimeoutError: Where it takes longer than `timeout_s`.
    """
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        taken = [_Taken(process, stream, max_bytes) for stream in (process.stdout, process.stderr)]
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise TimeoutError(f"no end after {timeout_s:g} s") from error
        except BaseException:
            process.kill()
            raise
        output, errors = (output_reader.text() for output_reader in taken)
    return Answer(code, output, errors)


def read_checks(text: str) -> list[dict[str, str]]:
    """Read what check.py --json printed; raises DeviceError where it is no list of checks."""
    value = check_envelope(_parsed(text), "checks", LOCATION, error=DeviceError, hint=HINT).get("checks")
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise _unexpected("it", value, "a list of checks")
    return [_check(item) for item in value]


def read_perf(text: str) -> dict[str, Any]:
    """Read what perf.py --json printed; raises DeviceError where the figures that are shown are no numbers."""
    value = _clean(_parsed(text))
    if not isinstance(value, dict) or not isinstance(value.get("runs"), list):
        raise _unexpected("it", value, "a measurement with runs")
    for index, run in enumerate(value["runs"]):
        location = f"runs[{index}]"
        infer = _below(_below(run, "stages", location), "infer", f"{location}.stages")
        numbers = {name: run.get(name) for name in ("threads", "fps", "cpu_percent")}
        for name, number in {**numbers, "stages.infer.p50": infer.get("p50")}.items():
            try:
                check_number(number, f"{LOCATION}: {location}.{name}", low=0)
            except DataError as error:
                raise DeviceError(error.message, hint=HINT) from error
    return value


class _Taken:
    """What a thread takes from one output of a process, which it ends where that is too much."""

    def __init__(self, process: subprocess.Popen[bytes], stream: IO[bytes], max_bytes: int) -> None:
        self._process, self._stream, self._max_bytes = process, stream, max_bytes
        self._data = bytearray()
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def text(self) -> str:
        self._thread.join()
        if len(self._data) > self._max_bytes:
            raise DeviceError(f"{LOCATION} has over {self._max_bytes} bytes, expected at most that", hint=HINT)
        return self._data.decode("utf-8", errors="replace")

    def _take(self) -> None:
        while piece := self._stream.read1(PIECE_BYTES):  # type: ignore[attr-defined]
            self._data += piece
            if len(self._data) > self._max_bytes:
                self._process.kill()
                return


def _parsed(text: str) -> object:
    try:
        return parse_json(text.strip(), LOCATION, finite=False, error=DeviceError)
    except DeviceError as error:
        begins = shorten(printable(text.strip(), MAX_TEXT), 120)
        raise DeviceError(f"{error.message}; it begins with {begins}", hint=HINT) from error


def _check(item: Mapping[str, Any]) -> dict[str, str]:
    for name in CHECK_FIELDS:
        if not isinstance(item.get(name), str):
            raise _unexpected(f"{name} of a check", item.get(name), "text")
    return {_line(name): _line(text) for name, text in item.items() if isinstance(text, str)}


def _line(text: str) -> str:
    return " ".join(printable(text, MAX_TEXT).split())


def _clean(value: object) -> Any:
    """The JSON value with every text in it fit for a terminal."""
    if isinstance(value, dict):
        return {_line(key): _clean(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_clean(entry) for entry in value]
    return _line(value) if isinstance(value, str) else value


def _below(value: object, name: str, location: str) -> Mapping[str, Any]:
    inner = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(inner, Mapping):
        raise _unexpected(f"{location}.{name}", inner, "an object")
    return inner


def _unexpected(location: str, value: object, expected: str) -> DeviceError:
    return DeviceError(f"{LOCATION}: {location} is {shorten(value)}, expected {expected}", hint=HINT)
