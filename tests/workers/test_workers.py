"""Tasks on workers: in order, once each, resumed after any end, and the same on one process, several and a cluster."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import ConfigError, DataError, DeviceError, ModelError, OutputError
from edgekit.install_hints import extra_hint
from edgekit.workers import MemoizedRunner, cluster, memo, open_workers
from edgekit.workers.memo import task_key
from edgekit.workers.tasks import completed, in_order
from tests.conftest import ROOT
from tests.workers import task_functions
from tests.workers.task_functions import Number

DEADLINE_S = 60  # for what happens at once if it happens at all


class Runner:
    """A runner of one function over numbers."""

    def __init__(self, folder: Path, function: str, about: dict[str, Any], **options: Any) -> None:
        self._folder, self._function = folder, getattr(task_functions, function)
        progress = {"progress": options.pop("progress")} if "progress" in options else {}
        workers = open_workers(options.pop("workers", None), options.pop("scheduler", None), **options)
        self._runner = MemoizedRunner(folder / "results.jsonl", {"function": function, **about}, workers, **progress)

    def run(self, stage: str, *tasks: int | Number) -> list[Any]:
        numbers = [Number(task) if isinstance(task, int) else task for task in tasks]
        return self._runner.run(stage, self._function, [replace(n, folder=str(self._folder)) for n in numbers])

    def close(self) -> None:
        self._runner.close()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def calls_in(folder: Path) -> list[int]:
    path = folder / "calls"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Runner]:
    def make(function: str, *, about: dict[str, Any] | None = None, **options: Any) -> Runner:
        return Runner(tmp_path, function, about or {}, **options)

    return make


def stored(tmp_path: Path) -> list[Any]:
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    return [json.loads(line)["result"] for line in lines[1:]]


def until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# identity, order and what is kept


def test_a_task_is_its_values() -> None:
    assert task_key({"a": 1, "b": [2, 0.5]}) == task_key({"b": [2, 0.5], "a": 1})
    assert len({task_key({"a": 1}), task_key({"a": 2}), task_key({"a": "1"}), task_key({"b": 1})}) == 4
    # sha256 of {"a":1}
    assert task_key({"a": 1}) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks(make: Callable[..., Runner], workers: int) -> None:
    with make("scaled", workers=workers) as runner:
        found = runner.run("stage", 3, 1, 2)
    assert found == [{"z": x * 0.1 / 3, "a": [x, None, True]} for x in (3, 1, 2)]


def test_equal_tasks_run_once(make: Callable[..., Runner], tmp_path: Path) -> None:
    with make("counted") as runner:
        assert runner.run("stage", 1, 2, 1) == [10, 20, 10]
        assert runner.run("another stage", 2, 3) == [20, 30]
        assert runner.run("nothing") == []
    assert calls_in(tmp_path) == [1, 2, 3]


def test_the_next_run_reads_the_same_results(make: Callable[..., Runner], tmp_path: Path) -> None:
    with make("scaled") as runner:
        computed = runner.run("stage", 1, 2, 7)
    with make("scaled") as runner:
        read = runner.run("stage", 7, 2, 1)
    assert json.dumps(read[::-1]) == json.dumps(computed)
    assert len(stored(tmp_path)) == 3


def test_progress_counts_what_is_there_already(make: Callable[..., Runner]) -> None:
    seen: list[tuple[str, int, int]] = []
    with make("counted") as runner:
        runner.run("first", 1)
    with make("counted", progress=lambda *told: seen.append(told)) as runner:
        runner.run("second", 1, 2, 3)
    assert seen == [("second", 1, 3), ("second", 2, 3), ("second", 3, 3)]


@pytest.mark.parametrize("kept", [1, 2, 3])
@pytest.mark.parametrize("cut_bytes", [1, 5])
def test_a_run_goes_on_after_a_cut_line(make: Callable[..., Runner], tmp_path: Path, kept: int, cut_bytes: int) -> None:
    with make("counted") as runner:
        runner.run("stage", 1, 2, 3)
    path = tmp_path / "results.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: kept + 1])[:-cut_bytes])
    (tmp_path / "calls").unlink()
    with make("counted") as runner:
        assert runner.run("stage", 1, 2, 3) == [10, 20, 30]
    assert calls_in(tmp_path) == [1, 2, 3][kept - 1 :]
    assert path.read_bytes() == b"".join(lines)


def test_a_line_that_is_no_result_is_not_counted(make: Callable[..., Runner], tmp_path: Path) -> None:
    with make("counted") as runner:
        runner.run("stage", 1, 2)
    path = tmp_path / "results.jsonl"
    header, first, second = path.read_bytes().splitlines(keepends=True)
    damaged = [b"\0\0\n", b"[1]\n", b'{"task": [1], "result": 2}\n', b"\xff\n", b"[" * 100_000 + b"\n"]
    path.write_bytes(header + b"".join(damaged) + second)
    with make("counted") as runner:
        assert runner.run("stage", 1, 2) == [10, 20]
    assert calls_in(tmp_path) == [1, 2, 1]
    assert path.read_bytes().endswith(second + first)


def test_other_shared_values_begin_again(
    make: Callable[..., Runner], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def calls_of(**options: Any) -> int:
        before = len(calls_in(tmp_path))
        with make(**({"function": "counted"} | options)) as runner:
            runner.run("stage", 1)
        return len(calls_in(tmp_path)) - before

    assert [calls_of(), calls_of()] == [1, 0]
    assert calls_of(about={"model": "b"}) == 1
    assert len(stored(tmp_path)) == 1
    assert calls_of(function="failing", about={"model": "b"}) == 1
    monkeypatch.setattr(memo, "__version__", "9.9")
    assert calls_of(function="failing", about={"model": "b"}) == 1


def test_a_file_of_something_else_is_begun_again(make: Callable[..., Runner], tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text("notes\n")
    with make("counted") as runner:
        runner.run("stage", 1)
    assert stored(tmp_path) == [10]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calls", "results.jsonl"]


def test_a_store_that_cannot_be_used(
    make: Callable[..., Runner], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("counted").close()
    with monkeypatch.context() as patch, pytest.raises(DataError, match="expected at most 20"):
        patch.setattr(memo, "MAX_BYTES", 20)
        make("counted")
    (tmp_path / "results.jsonl").unlink()
    (tmp_path / "results.jsonl").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        make("counted")


# processes of this computer


def test_two_processes_equal_one(make: Callable[..., Runner], tmp_path: Path) -> None:
    with make("scaled") as runner:
        one = runner.run("stage", *range(8))
    (tmp_path / "results.jsonl").unlink()
    with make("scaled", workers=2) as runner:
        two = [*runner.run("stage", *range(5)), *runner.run("stage", 5, 6, 7)]
    assert json.dumps(two) == json.dumps(one)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_finished_is_stored_before_an_error_is_raised(
    make: Callable[..., Runner], tmp_path: Path, workers: int
) -> None:
    with make("failing", workers=workers) as runner:
        with pytest.raises(ModelError) as caught:
            runner.run("stage", 1, 2, Number(3, fails="edgekit"), 4, 5, 6, 7, 8)
        assert (caught.value.message, caught.value.hint) == ("task 3 is wrong", "fix it")
        assert sorted(stored(tmp_path)) == sorted(x * 10 for x in calls_in(tmp_path))
        assert {10, 20} <= set(stored(tmp_path))
        assert workers > 1 or len(stored(tmp_path)) == 2  # nothing begins after the error; another worker runs ahead
        assert runner.run("stage", 1, 4, 5) == [10, 40, 50]  # the workers are still good
    assert calls_in(tmp_path).count(1) == 1


def test_a_worker_that_dies_is_named_and_replaced(make: Callable[..., Runner], tmp_path: Path) -> None:
    with make("failing", workers=2) as runner:
        runner.run("stage", 1)
        with pytest.raises(DeviceError, match="worker processes died") as caught:
            runner.run("stage", 1, Number(3, fails="dies"))
        assert "resumes" in caught.value.hint
        assert runner.run("stage", 1, 2) == [10, 20]
    assert calls_in(tmp_path) == [1, 2]


@pytest.mark.parametrize(("x", "kind"), [(1, ValueError), (0, TypeError)])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_result_is_plain_json(make: Callable[..., Runner], x: int, kind: type[Exception], workers: int) -> None:
    with make("of_no_json", workers=workers) as runner, pytest.raises(kind, match="JSON"):
        runner.run("stage", x)


@pytest.mark.parametrize("workers", [0, -1])
def test_at_least_one_worker(make: Callable[..., Runner], tmp_path: Path, workers: int) -> None:
    with pytest.raises(ConfigError, match=f"--workers is {workers}"):
        make("scaled", workers=workers)
    assert list(tmp_path.iterdir()) == []


# interrupted


def test_an_interrupted_run_goes_on(make: Callable[..., Runner], tmp_path: Path) -> None:
    with make("failing") as runner, pytest.raises(KeyboardInterrupt):
        runner.run("stage", 1, 2, Number(3, fails="interrupt"), 4)
    with make("failing") as runner:
        assert runner.run("stage", 1, 2, 4) == [10, 20, 40]
    assert calls_in(tmp_path) == [1, 2, 4]


def test_an_interrupt_ends_the_workers(make: Callable[..., Runner], tmp_path: Path) -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with make("endless", workers=2, progress=interrupt) as runner, pytest.raises(KeyboardInterrupt):
        runner.run("stage", 0, 1, 2, 3)
    assert multiprocessing.active_children() == []
    assert len(stored(tmp_path)) == 1


SCRIPT = """
import sys
from pathlib import Path
from edgekit.workers import MemoizedRunner, open_workers
from tests.workers.task_functions import Number, endless
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with MemoizedRunner(folder / "results.jsonl", {}, open_workers(2)) as runner:
        runner.run("stage", endless, [Number(x, str(folder)) for x in range(4)])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="process groups and /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_no_workers(tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "main.py").write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, tmp_path / "main.py", tmp_path],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        busy = [tmp_path / "pid_1", tmp_path / "pid_2"]
        until(lambda: process.poll() is not None or all(path.exists() and path.read_text() for path in busy))
        until(lambda: process.poll() is not None or len((tmp_path / "results.jsonl").read_text().splitlines()) == 2)
        assert process.poll() is None, process.stderr and process.stderr.read()
        if how == signal.SIGINT:
            os.killpg(process.pid, how)  # as a terminal does: to the workers too
        else:
            process.kill()
        _, said = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
    assert process.returncode == -how
    until(lambda: not any(is_running(int(path.read_text())) for path in tmp_path.glob("pid_*")))
    assert said.count("KeyboardInterrupt") == (how == signal.SIGINT)  # the workers add nothing to it
    assert len(stored(tmp_path)) == 1
    assert not (tmp_path / "pid_3").exists()


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


# a Dask cluster

LOOPBACK: Any = {
    "host": "127.0.0.1",
    "protocol": "tcp://",
    "dashboard_address": "127.0.0.1:0",
}  # 0: a port that is free


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **LOOPBACK) as local:
        yield local.scheduler_address


def test_a_cluster_equals_one_process(make: Callable[..., Runner], tmp_path: Path, scheduler: str) -> None:
    with make("scaled") as runner:
        one = runner.run("stage", *range(8))
    (tmp_path / "results.jsonl").unlink()
    with make("scaled", scheduler=scheduler) as runner:
        several = [*runner.run("stage", *range(5)), *runner.run("stage", 5, 6, 7)]
    assert json.dumps(several) == json.dumps(one)
    with make("scaled") as runner:
        assert runner.run("stage", 3) == [one[3]]


@pytest.mark.parametrize(("fails", "kind"), [("edgekit", ModelError), ("file", FileNotFoundError)])
def test_an_error_on_a_cluster_is_the_same(
    make: Callable[..., Runner], tmp_path: Path, scheduler: str, fails: str, kind: type[Exception]
) -> None:
    with make("failing", scheduler=scheduler) as runner:
        with pytest.raises(kind, match="task 3") as caught:
            runner.run("stage", 1, 2, Number(3, fails=fails), 4, 5, 6, 7, 8, 9, 10, 11)
        assert getattr(caught.value, "hint", "fix it") == "fix it"
        assert sorted(stored(tmp_path)) == sorted(x * 10 for x in calls_in(tmp_path))
        assert runner.run("stage", 1, 2, 11) == [10, 20, 110]


def test_a_cluster_that_does_not_see_the_folder(make: Callable[..., Runner], tmp_path: Path, scheduler: str) -> None:
    with pytest.raises(ConfigError, match="does not see /nowhere/at/all"):
        make("scaled", paths=[Path("/nowhere/at/all")], scheduler=scheduler)
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_of_another_version(
    make: Callable[..., Runner], scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "__version__", "9.9")
    with pytest.raises(ConfigError, match="expected 9.9 as here"):
        make("scaled", scheduler=scheduler)


def test_a_cluster_without_workers(make: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with (
        distributed.LocalCluster(n_workers=0, processes=False, **LOOPBACK) as local,
        pytest.raises(ConfigError, match="has no workers") as caught,
    ):
        make("scaled", scheduler=local.scheduler_address)
    assert "dask worker" in caught.value.hint


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "no address", "tcp://127.0.0.1:port", "nothing://x:1", ""])
def test_no_scheduler_there(make: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(ConfigError, match="no Dask scheduler answers") as caught:
        make("scaled", scheduler=address)
    assert "\n" not in caught.value.message


MUTE = """
import socket
from edgekit.errors import ConfigError
from edgekit.workers import cluster
cluster.CONNECT_SECONDS = 0.5
with socket.create_server(("127.0.0.1", 0)) as server:
    try:
        cluster.DaskCluster(f"tcp://127.0.0.1:{server.getsockname()[1]}")
    except ConfigError as error:
        print(error.message)
"""


def test_something_else_listens_there() -> None:
    pytest.importorskip("distributed")
    said = subprocess.run([sys.executable, "-c", MUTE], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S)
    assert "no Dask scheduler answers" in said.stdout and said.returncode == 0


def test_dask_is_not_installed(make: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match="distributed is not installed") as caught:
        make("scaled", scheduler="tcp://127.0.0.1:8786")
    assert caught.value.hint == extra_hint("tune")


# without a file


def test_results_as_they_complete_and_in_order() -> None:
    for count in (None, 2):
        workers = open_workers(count)
        tasks = [Number(x) for x in (4, 5, 6)]
        try:
            results = list(completed(workers, task_functions.scaled, tasks))
            assert sorted(results) == [(i, task_functions.scaled(task)) for i, task in enumerate(tasks)]
        finally:
            workers.close()
    assert list(in_order([(2, "c"), (0, "a"), (1, "b")])) == ["a", "b", "c"]


def test_workers_or_a_scheduler() -> None:
    with pytest.raises(ConfigError, match="--workers 2 and --scheduler tcp://h:1 are both set") as caught:
        open_workers(2, "tcp://h:1")
    assert "remove --workers" in caught.value.hint
