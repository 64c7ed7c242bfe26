"""A damaged log never gives a traceback and never a row, number or version that the whole one does not hold."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgekit.errors import EdgekitError
from edgekit.logs.hrt_model_exec import parse_hrt_model_exec
from edgekit.logs.lines import read_lines
from edgekit.logs.mapper import parse_mapper
from edgekit.logs.model_info import parse_model_info
from edgekit.logs.modifier import parse_modifier
from edgekit.logs.read_log import read_file
from tests.logs import synthetic

MAPPER_LOGS = {
    "2025 file": synthetic.makertbin(),
    "2025 console": synthetic.makertbin(console=True),
    "2024 file": synthetic.makertbin(generation="2024"),
    "checker": synthetic.checker(),
}
OTHER_LOGS = {
    "modifier list": (parse_modifier, synthetic.modifier()),
    "modifier remove": (parse_modifier, synthetic.modifier(removed=True)),
    "model_info": (parse_model_info, synthetic.model_info()),
    "board info": (parse_hrt_model_exec, synthetic.board_info()),
    "board perf": (parse_hrt_model_exec, synthetic.board_perf()),
}
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def facts(log) -> set:
    """Everything countable that a compile log says."""
    said: set[tuple[Any, ...]] = {("node", row) for row in log.nodes} | {("output", row) for row in log.output_rows}
    said |= {("estimate", e.fps, e.latency_us, e.ddr_bytes) for e in log.estimates}
    said |= {("version", *item) for item in log.versions.items()}
    said |= {("tensor", t) for t in (*log.inputs, *log.outputs)}
    said |= {("config", s, k, str(v)) for s, fields in (log.config or {}).items() for k, v in fields.items()}
    said |= {("setting", s, *item) for s, fields in log.settings.items() for item in fields.items()}
    said |= {("method", log.calibration.selected), ("samples", log.calibration.samples)}
    return said - {("method", ""), ("samples", None)}


def read(path, data: bytes):
    path.write_bytes(data)
    try:
        return parse_mapper(read_lines(path))
    except EdgekitError:
        return None


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("damage") / "x.log"


@pytest.mark.parametrize("kind", MAPPER_LOGS)
def test_a_log_cut_at_any_byte(kind, scratch):
    """A sample of places, denser from the estimate on, where numbers stand."""
    check_cuts(kind, scratch, step_before=97, step_behind=11 if kind == "2025 file" else 41)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAPPER_LOGS)
def test_a_log_cut_at_every_byte(kind, scratch):
    check_cuts(kind, scratch, step_before=1, step_behind=1)


def check_cuts(kind, scratch, *, step_before: int, step_behind: int) -> None:
    data = MAPPER_LOGS[kind].encode()
    whole = facts(read(scratch, data))
    tables = data.index(b"FPS=")
    for end in itertools.chain(range(0, tables, step_before), range(tables, len(data), step_behind)):
        log = read(scratch, data[:end])
        assert log is None or facts(log) <= whole, data[max(end - 60, 0) : end]


@pytest.mark.parametrize("kind", MAPPER_LOGS)
def test_a_log_that_begins_at_any_byte(kind, scratch):
    data = MAPPER_LOGS[kind].encode()
    whole = facts(read(scratch, data))
    rows = {fact for fact in whole if fact[0] in ("node", "output", "estimate")}
    for start in range(0, len(data), 61):
        log = read(scratch, data[start:])
        found = {fact for fact in facts(log) if fact[0] in ("node", "output", "estimate")} if log else set()
        assert found <= rows, data[start : start + 60]


@QUICK
@given(data=st.data(), kind=st.sampled_from(sorted(MAPPER_LOGS)))
def test_dropped_doubled_lines_and_foreign_line_ends(data, kind, scratch):
    lines = MAPPER_LOGS[kind].encode().split(b"\n")
    whole = facts(read(scratch, b"\n".join(lines)))
    times = data.draw(st.lists(st.sampled_from([0, 1, 1, 1, 2]), min_size=len(lines), max_size=len(lines)))
    end = data.draw(st.sampled_from([b"\n", b"\r\n"]))
    log = read(scratch, end.join(line for line, count in zip(lines, times, strict=True) for _ in range(count)))
    if log is not None:
        assert {f for f in facts(log) if f[0] != "setting"} <= whole
        assert len(log.nodes) <= len(synthetic.NODES)
        assert len(log.output_rows) <= len(synthetic.HEADS)


@QUICK
@given(data=st.data(), kind=st.sampled_from(sorted(OTHER_LOGS)))
def test_the_other_logs_survive_the_same(data, kind, scratch):
    parse, text = OTHER_LOGS[kind]
    lines = text.encode().split(b"\n")
    times = data.draw(st.lists(st.sampled_from([0, 1, 1, 2]), min_size=len(lines), max_size=len(lines)))
    damaged = b"\r\n".join(line for line, count in zip(lines, times, strict=True) for _ in range(count))
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))]
    scratch.write_bytes(damaged or b"x")
    assert parse(read_lines(scratch)) is not None


@QUICK
@given(garbage=st.binary(min_size=1, max_size=400))
def test_any_bytes_are_read_or_refused(garbage, scratch):
    for data in (garbage, MAPPER_LOGS["2025 file"].encode()[:3000] + garbage):
        scratch.write_bytes(data)
        try:
            read_file(scratch)
        except EdgekitError as error:
            assert error.hint


@pytest.mark.parametrize("kind", OTHER_LOGS)
def test_numbers_of_the_other_logs_are_never_cut(kind, scratch):
    parse, text = OTHER_LOGS[kind]
    scratch.write_text(text)
    whole = repr(parse(read_lines(scratch))) + repr(95.6)  # the rate before the summary line replaces it
    for end in range(1, len(text), 13):
        scratch.write_text(text[:end])
        found = parse(read_lines(scratch))
        for number in numbers(found):
            assert repr(number) in whole, text[max(end - 50, 0) : end]


def numbers(found) -> list:
    """The measured numbers and tensor facts of a parsed log."""
    picked = []
    for run in getattr(found, "perf", ()):
        picked += [v for v in (run.latency_ms, run.fps, run.frames, run.threads) if v is not None]
    for tensor in (*getattr(found, "inputs", ()), *getattr(found, "outputs", ())):
        picked += [tensor.name, tensor.scales] + ([tensor.bytes] if tensor.bytes else [])
    picked += list(getattr(found, "versions", {}).values())
    picked += list(getattr(found, "removed", ())) + list(getattr(found, "deleted_nodes", ()))
    return picked
