from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from edgekit.errors import ConfigError, ImageError
from edgekit.results import Detections
from edgekit.robot.config import SourceConfig
from edgekit.robot.frame import RobotFrame
from edgekit.robot.robot import Robot, decoding_score, open_sources
from edgekit.runtime.sources import Frame, Source
from tests.robot.parts import HEIGHT, WIDTH, config_of, engine, frames_of, run


def classes_of(frames: list[RobotFrame], model: str) -> list[int | None]:
    """The class of the one object per frame, None where the model was not due."""
    found = []
    for frame in frames:
        results = next((e.results for e in frame.tasks if e.task.model == model), None)
        assert results is None or isinstance(results, Detections)
        found.append(None if results is None else int(results.class_ids[0]))
    return found


def test_every_frame_of_every_source_in_order() -> None:
    config = config_of([{"model": "m"}], sources=3)
    report, delivered, notes = run(config, {"m": engine(delay_s=0.001)}, {f"s{k}": frames_of(12 + k) for k in range(3)})
    for k in range(3):
        frames = delivered[f"s{k}"]
        assert [f.number for f in frames] == list(range(12 + k))
        assert classes_of(frames, "m") == [n % 3 for n in range(12 + k)]
        assert (report.sources[f"s{k}"].read, report.sources[f"s{k}"].done) == (12 + k, 12 + k)
    assert notes == []
    assert {name: share.jobs for name, share in report.shares.items()} == {f"m on s{k}": 12 + k for k in range(3)}


def test_each_model_as_often_as_it_is_due() -> None:
    config = config_of([{"model": "often"}, {"model": "seldom", "every": 4}], models=("often", "seldom"))
    report, delivered, _ = run(config, {"often": engine(), "seldom": engine()}, {"s0": frames_of(9)})
    assert classes_of(delivered["s0"], "often") == [n % 3 for n in range(9)]
    assert classes_of(delivered["s0"], "seldom") == [0, None, None, None, 1, None, None, None, 2]
    assert report.shares["seldom on s0"].jobs == 3


def test_frames_on_which_nothing_is_due_are_passed_over() -> None:
    _, delivered, _ = run(config_of([{"model": "m", "every": 3}]), {"m": engine()}, {"s0": frames_of(8)})
    assert [f.number for f in delivered["s0"]] == [0, 3, 6]


def test_a_cascade_looks_at_the_boxes_of_another_model() -> None:
    config = config_of([{"model": "m"}, {"model": "n", "crops_of": "m", "margin": 0, "every": 2}], models=("m", "n"))
    _, delivered, _ = run(config, {"m": engine(), "n": engine()}, {"s0": frames_of(5)})
    for frame in delivered["s0"]:
        row = json.loads(json.dumps(frame.to_dict()))
        assert ("n" in row["models"]) == (frame.number % 2 == 0)
        if "n" not in row["models"]:
            continue
        (part,) = row["models"]["n"]["crops"]
        left, top, right, bottom = part["crop_xyxy"]
        assert (part["parent"], row["models"]["n"]["crops_of"]) == (0, "m")
        x1, y1, x2, y2 = part["objects"][0]["box_xyxy"]
        assert left <= x1 < x2 <= right and top <= y1 < y2 <= bottom
        assert (part["width"], part["height"]) == (WIDTH, HEIGHT)
        assert frame.draw().shape == (HEIGHT, WIDTH, 3)


def test_classes_choose_the_boxes() -> None:
    names = engine().current().spec.names
    config = config_of([{"model": "m"}, {"model": "n", "crops_of": "m", "classes": names[1]}], models=("m", "n"))
    _, delivered, _ = run(config, {"m": engine(), "n": engine()}, {"s0": frames_of(6)})
    assert [len(f.tasks[1].crops) for f in delivered["s0"]] == [0, 1, 0, 0, 1, 0]


def test_tracks_lines_and_the_crops_of_tracked_boxes() -> None:
    task = {"model": "m", "zones": "all=-50,-50,200,-50,200,200,-50,200"}
    config = config_of([task, {"model": "n", "crops_of": "m"}], models=("m", "n"))
    assert (decoding_score(config, "m"), decoding_score(config, "n")) == (0.1, 0.25)
    _, delivered, _ = run(config, {"m": engine(), "n": engine()}, {"s0": frames_of(5)})
    rows = [frame.to_dict() for frame in delivered["s0"]]
    assert [row["models"]["m"]["objects"][0]["track_id"] for row in rows] == [1] * 5
    assert [row["models"]["n"]["crops"][0]["track_id"] for row in rows] == [1] * 5
    assert [[e["direction"] for e in row["events"]] for row in rows] == [["enter"], [], [], [], []]


def test_a_source_that_dies_takes_nobody_with_it() -> None:
    config = config_of([{"model": "m"}], sources=2)
    sources = {"s0": frames_of(30, broken_at=7), "s1": frames_of(30)}
    report, delivered, notes = run(config, {"m": engine()}, sources)
    assert [f.number for f in delivered["s0"]] == list(range(7))  # what it gave is finished
    assert len(delivered["s1"]) == 30
    assert notes == ["source s0 has ended: the cable is out"]
    assert list(report.failures()) == ["s0"]


def test_a_camera_that_dies_is_opened_again() -> None:
    opened = []

    def frames() -> Iterator[Frame]:
        opened.append(1)
        for index in range(3):
            yield Frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8), f"frame {index}")
        if len(opened) < 3:
            raise ImageError("no frame for 10 s", hint="none")

    camera = Source("camera", 0, 25.0, frames, live=True)
    report, delivered, notes = run(
        config_of([{"model": "m"}]), {"m": engine()}, {"s0.mp4": camera, "s0": camera}, retry_s=0
    )
    assert (report.sources["s0"].deaths, report.sources["s0"].read, report.failures()) == (2, 9, {})
    numbers = [f.number for f in delivered["s0"]]
    assert numbers == sorted(set(numbers)) and numbers[-1] == 8  # numbers go on
    assert notes[0] == "source s0 died and is opened again: no frame for 10 s"


def test_a_task_that_fails_on_a_frame_is_left_out_of_it() -> None:
    config = config_of([{"model": "good"}, {"model": "bad"}], models=("good", "bad"))
    engines = {"good": engine(), "bad": engine(fails=lambda call: True)}
    report, delivered, notes = run(config, engines, {"s0": frames_of(10)})
    assert classes_of(delivered["s0"], "good") == [n % 3 for n in range(10)]
    assert classes_of(delivered["s0"], "bad") == [None] * 10
    assert report.sources["s0"].failed == 10
    assert len(notes) == 1 and notes[0].startswith("bad on s0 failed on a frame")


def test_a_sink_that_fails_ends_its_source_only() -> None:
    config, delivered = config_of([{"model": "m"}], sources=2), []

    def deliver(frame: RobotFrame) -> None:
        if frame.source == "s0" and frame.number == 4:
            raise OSError("no space left on device")
        delivered.append(frame.source)

    notes: list[str] = []
    robot = Robot(config, {"m": engine()}, lambda where: frames_of(1), deliver=deliver, on_note=notes.append)
    report = robot.run({"s0": frames_of(20), "s1": frames_of(20)})
    assert (delivered.count("s0"), delivered.count("s1")) == (4, 20)
    assert list(report.failures()) == ["s0"] and "no space left" in notes[0]


def test_frames_of_changing_size() -> None:
    def frames() -> Iterator[Frame]:
        for index, side in enumerate((64, 30, 200, 5, 64)):
            yield Frame(np.zeros((side, side * 2, 3), np.uint8), f"frame {index}")

    source = Source("video", 5, 25.0, frames)
    config = config_of([{"model": "m", "track": True}, {"model": "n", "crops_of": "m"}], models=("m", "n"))
    _, delivered, notes = run(config, {"m": engine(), "n": engine()}, {"s0": source})
    assert [f.number for f in delivered["s0"]] == [0, 1, 2, 3, 4]
    assert notes == []


def test_it_stops_when_it_is_told_to() -> None:
    def frames() -> Iterator[Frame]:
        index = 0
        while True:
            yield Frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8), f"frame {index}")
            index += 1

    config, seen = config_of([{"model": "m"}], sources=2), threading.Event()
    endless = Source("video", 0, 25.0, frames)
    robot = Robot(config, {"m": engine()}, lambda where: endless, deliver=lambda frame: seen.set())
    running = threading.Thread(target=robot.run, args=({"s0": endless, "s1": endless},))
    running.start()
    assert seen.wait(timeout=30)
    robot.stop()
    running.join(timeout=30)
    assert not running.is_alive()


def test_sources_that_cannot_be_opened_are_left_out() -> None:
    config, notes = config_of([{"model": "m"}], sources=2), []

    def open_source(where: str) -> Source:
        if where == "s0.mp4":
            raise ImageError("s0.mp4 does not exist", hint="check")
        return frames_of(2)

    opened, failures = open_sources(config, open_source, notes.append)
    assert (list(opened), list(failures)) == (["s1"], ["s0"])
    assert "s0 cannot be opened and is left out: s0.mp4 does not exist" in notes[0]


def test_tasks_must_fit_their_models() -> None:
    config = config_of([{"model": "m"}, {"model": "n", "crops_of": "m", "classes": "unicorn"}], models=("m", "n"))
    with pytest.raises(ConfigError, match="runs on 'unicorn', which is no class of 'm'"):
        run(config, {"m": engine(), "n": engine()}, {"s0": frames_of(1)})
    classifier = engine()
    classifier.current().spec = replace(classifier.current().spec, task="classify")
    with pytest.raises(ConfigError, match="'m' is tracked, which has no boxes"):
        run(config_of([{"model": "m", "track": True}]), {"m": classifier}, {"s0": frames_of(1)})
    assert SourceConfig("s0", "s0.mp4") in config.sources
