"""The folder `board/`, copied alone with the runtime and a stand-in for the vendor's library."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.files import write_bytes
from edgekit.spec import ModelSpec, save_spec
from tests.conftest import ROOT
from tests.decode.scenes import make_spec

SPEC = make_spec(dtype="int32")
NV12 = replace(SPEC, stage="bin", march="bayes-e", input=replace(SPEC.input, kind="nv12"))
VENDOR = """
import os
from edgekit.spec import load_spec
from hobot_dnn.fake_vendor import fake_pyeasy

load = fake_pyeasy(load_spec(os.environ["FAKE_BOARD_MODEL"])).load
"""


def runtime_wheel(folder: Path) -> Path:
    """The board's wheel, built by a process of its own, which may import what a board has not got."""
    command = [sys.executable, "-m", "edgekit.packaging.runtime_wheel", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


class Board:
    """A folder with what a board has: the runtime from its wheel, board/, a model, an image, the vendor's module."""

    def __init__(self, home: Path) -> None:
        self.home = home
        site = home / "site"
        with zipfile.ZipFile(runtime_wheel(home)) as wheel:
            wheel.extractall(site)
        shutil.copytree(ROOT / "board", home / "board")
        shutil.copy(ROOT / "tests" / "board_only.py", site / "sitecustomize.py")  # nothing else may be imported
        vendor = site / "hobot_dnn"
        vendor.mkdir()
        shutil.copy(ROOT / "tests" / "runtime" / "fake_vendor.py", vendor)
        (vendor / "__init__.py").write_text("")
        (vendor / "pyeasy_dnn.py").write_text(VENDOR)
        self.put_model(NV12)
        cv2.imwrite(str(home / "image.png"), np.full((48, 80, 3), 90, np.uint8))

    def put_model(self, spec: ModelSpec) -> None:
        write_bytes(self.home / "m.bin", b"\x0a\x10real")
        save_spec(self.home / "m.json", spec)

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(self.home / "site"), "FAKE_BOARD_MODEL": str(self.home / "m.json")}
        return subprocess.run(
            [sys.executable, f"board/{script}", "--model", "m.bin", *arguments],
            cwd=self.home,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return Board(tmp_path_factory.mktemp("board"))


def test_run_finds_objects_and_draws_them(board: Board) -> None:
    done = board.run("run.py", "--source", "image.png", "-o", "out", "--overwrite")
    assert done.returncode == 0, done.stderr
    document = json.loads((board.home / "out" / "results.json").read_text())
    assert document["device"] == "bpu"
    assert document["simulated"] is False
    assert len(document["results"][0]["objects"]) > 0
    assert (board.home / "out" / "image.png").is_file()


def test_perf_measures_every_stage_for_every_number_of_threads(board: Board) -> None:
    done = board.run(
        "perf.py", "--frames", "6", "--warmup", "1", "--threads", "2", "--conf", "0.9", "--json", "--csv", "perf.csv"
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [run["threads"] for run in report["runs"]] == [1, 2]
    for run in report["runs"]:
        assert run["frames"] == 6
        assert set(run["stages"]) == {"prepare", "infer", "decode", "draw"}
        for latency in [run["total"], *run["stages"].values()]:
            assert 0 < latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"]
    assert report["device"] == "bpu"
    lines = (board.home / "perf.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 5
    assert lines[0].startswith("threads,stage,p50_ms,p90_ms,p99_ms")


def test_perf_prints_tables_without_any_other_library(board: Board) -> None:
    done = board.run("perf.py", "--frames", "3", "--warmup", "0", "--threads", "1", "--source", "image.png")
    assert done.returncode == 0, done.stderr
    assert "m.bin on bpu: ms per frame" in done.stdout
    assert "sensors: not available" in done.stdout
    assert "published figures for this model and board: not available" in done.stdout


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--threads", "0"), "--threads is 0, expected 1..64"),
        (("--frames", "0"), "frames is 0"),
        (("--source", "none.jpg"), "none.jpg cannot be read"),
        (("--hrt",), "hrt_model_exec is not on PATH"),
        (("--reference", "none.json"), "none.json does not exist"),
    ],
)
def test_bad_input_is_two_lines(board: Board, arguments: tuple[str, ...], message: str) -> None:
    done = board.run("perf.py", "--frames", "2", "--threads", "1", "--warmup", "0", "--conf", "0.9", *arguments)
    assert done.returncode == 2
    error, hint = [line for line in done.stderr.splitlines() if line.startswith(("error:", "hint:"))]
    assert message in error
    assert len(hint) > 10
