from __future__ import annotations

import copy
from typing import Any

import pytest

from edgekit.errors import ConfigError
from edgekit.robot.config import ModelConfig, OutputConfig, SourceConfig, TaskConfig, parse_config
from edgekit.tracking.shapes import Line
from tests.conftest import ROOT

FULL: dict[str, Any] = {
    "models": {"people": {"path": "people.bin", "conf": 0.4, "priority": 9, "core": 0}, "faces": "faces.onnx"},
    "sources": {"front": 0, "yard": {"source": "rtsp://yard/1"}, "clip": "clip.mp4"},
    "tasks": [
        {"model": "people", "lines": "door=0%,50%,100%,50%"},
        {"model": "faces", "source": ["front", "yard"], "crops_of": "people", "classes": "person", "every": 5},
    ],
    "output": {"folder": "out", "preview": 8080, "preview_hosts": ["0.0.0.0"], "publish": "results"},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """FULL with the value at a path such as "models.people.conf"; None removes it."""
    config = copy.deepcopy(FULL)
    *parents, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    inner: Any = config
    for parent in parents:
        inner = inner[parent]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return config


def test_a_whole_configuration() -> None:
    config = parse_config(FULL, "robot.yaml")
    assert config.models == (
        ModelConfig("people", "people.bin", conf=0.4, priority=9, core=0),
        ModelConfig("faces", "faces.onnx"),
    )
    assert config.sources == (
        SourceConfig("front", "0"),
        SourceConfig("yard", "rtsp://yard/1"),
        SourceConfig("clip", "clip.mp4"),
    )
    door = Line("door", (0, 0.5), (1, 0.5), relative=True)
    assert config.tasks_of("clip") == (TaskConfig("people", "clip", track=True, shapes=(door,)),)
    assert config.tasks_of("yard")[1] == TaskConfig("faces", "yard", 5, "people", ("person",))
    assert config.output == OutputConfig("out", preview=8080, preview_hosts=("0.0.0.0",), publish="results")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("model", 1, "robot.yaml has the unknown key 'model', expected models, sources, tasks, output, in_flight"),
        ("models.people.config", 1, "robot.yaml: models: people has the unknown key 'config', expected core, path"),
        ("tasks.0.evry", 3, "robot.yaml: task 1 has the unknown key 'evry'"),
        ("output.prevew", 3, "robot.yaml: output has the unknown key 'prevew'"),
        ("sources.yard.url", "x", "robot.yaml: sources: yard has the unknown key 'url', expected source"),
        ("models", [], r"robot.yaml: models is \[\], expected a mapping of 1 to 256 names"),
        ("models", None, "models is None"),
        ("sources", {}, "sources is {}"),
        ("sources.fr/ont", "1", "a name in robot.yaml: sources is 'fr/ont', expected letters"),
        ("sources.clip", True, "robot.yaml: sources: clip: source is True, expected a text"),
        ("tasks", [], r"robot.yaml: tasks is \[\], expected a list"),
        ("tasks.0.model", "cars", "task 1 names the model 'cars', expected one of people, faces"),
        ("tasks.1.crops_of", "cars", "task 2 names the model 'cars'"),
        ("tasks.1.source", "back", "task 2 names the source 'back', expected one of front, yard, clip"),
        ("tasks.0.every", 0, "task 1: every is 0, expected an integer from 1"),
        ("tasks.0.every", True, "task 1: every is True"),
        ("tasks.0.track", False, "task 1 has lines or zones and track: false"),
        ("tasks.0.track", "yes", "task 1: track is 'yes', expected true or false"),
        ("tasks.0.lines", ["a=1,2"], "line 'a=1,2' is not understood"),
        ("tasks.0.zones", ["door=0,0,1,1,0,1"], "are called 'door'"),
        ("tasks.0.classes", ["a"], "task 1 has classes without crops_of"),
        ("tasks.1.track", True, "task 2 tracks on the crops of 'people'"),
        ("tasks.1.model", "people", "model 'people' has two tasks on source 'front'"),
        ("tasks.0.source", "clip", "'faces' runs on boxes of 'people' on source 'front', which has no task"),
        ("models.people.priority", 256, "models: people: priority is 256, expected an integer from 0 to 255"),
        ("models.people.conf", float("nan"), "conf is nan"),
        ("models.spare", "spare.bin", "model 'spare' is in no task"),
        ("sources.clip", 0, "sources front and clip are both camera '0', expected each camera once"),
        ("sources.clip", "camera", "sources front and clip are both camera '0'"),
        ("sources.clip", "rtsp://yard/1", "sources yard and clip are both camera 'rtsp://yard/1'"),
        ("output.masks", "png", "masks is 'png', expected one of rle, polygons, none"),
        ("output.preview", 99999, "preview is 99999"),
    ],
)
def test_mistakes_name_what_and_where(path: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        parse_config(changed(path, value), "robot.yaml")
    assert refused.value.hint


def test_the_example_of_the_documentation() -> None:
    yaml = pytest.importorskip("yaml")
    example = (ROOT / "docs" / "robot.md").read_text().split("```yaml\n")[1].split("```")[0]
    config = parse_config(yaml.safe_load(example), "docs/robot.md")
    assert [(t.model, t.source, t.crops_of, t.every) for t in config.tasks] == [
        ("people", "front", "", 1),
        ("people", "yard", "", 1),
        ("faces", "front", "people", 3),
    ]
    assert config.output.mqtt and config.tasks[0].track


def test_a_video_may_be_there_twice() -> None:
    assert len(parse_config(changed("sources.front", "clip.mp4"), "x").sources) == 3


@pytest.mark.parametrize("value", [None, [], "x", 3])
def test_what_is_no_mapping(value: object) -> None:
    with pytest.raises(ConfigError, match="expected a mapping"):
        parse_config(value, "robot.yaml")
