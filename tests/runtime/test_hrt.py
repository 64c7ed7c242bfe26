from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import DeviceError
from edgekit.runtime.hrt import HrtPerf, parse_hrt_perf, parse_hrt_versions, run_hrt_perf, run_hrt_versions
from edgekit.runtime.versions import compare_builder
from tests.decode.scenes import make_spec

PERF = """Running condition:
  Thread number is: 2
  Frame count   is: 200
Perf result:
  Frame totally latency is: 2158.1 ms
  Average    latency    is: 10.790 ms
  Frame      rate       is: 184.316 FPS
"""
INFO = """[HBRT] set log level as 0. version = 3.15.55.0
[DNN] Runtime version = 1.24.5_(3.15.55 HBRT)
(2025-07-24,22:03:13.225.549) [HorizonRT] The model builder version = 1.24.3
"""


def put_tool(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, code: int = 0) -> None:
    tool = folder / "hrt_model_exec"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {code}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_perf_is_run_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_tool(tmp_path, monkeypatch, PERF)
    assert run_hrt_perf(Path("m.bin"), threads=2, frames=200) == HrtPerf(2, 200, 10.79, 184.316)


def test_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_tool(tmp_path, monkeypatch, INFO)
    found = run_hrt_versions(Path("m.bin"))
    assert (found.hbrt, found.dnn, found.builder) == ("3.15.55.0", "1.24.5", "1.24.3")
    assert parse_hrt_versions("nothing of this").hbrt == ""


def test_what_it_says_on_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_tool(tmp_path, monkeypatch, "load model failed", code=3)
    with pytest.raises(DeviceError, match="exit code 3: load model failed"):
        run_hrt_perf(Path("m.bin"), threads=1, frames=1)
    with pytest.raises(DeviceError, match="neither an average latency nor a frame rate"):
        parse_hrt_perf("something else", threads=1)


@pytest.mark.parametrize(
    "built, states",
    [
        ({"hbdk_runtime": "3.15.55.0"}, ["ok", "ok"]),
        ({"hbdk_runtime": "3.15.60.0"}, ["note", "ok"]),
        ({"hbdk_runtime": "3.16.0.0"}, ["bad", "ok"]),
        ({}, ["note", "ok"]),
    ],
)
def test_an_older_runtime_than_the_builder_is_named(built: dict[str, str], states: list[str]) -> None:
    from dataclasses import replace

    checks = compare_builder(replace(make_spec(), tools=built), parse_hrt_versions(INFO))
    assert [check.state for check in checks] == states
    assert all("3.16" in c.expected and c.value == "3.15.55.0" and c.fix for c in checks if c.state == "bad")
