"""What an export says of itself: the metadata properties that Ultralytics writes, read without trust."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import onnx

from edgekit.errors import ModelError
from edgekit.labels import COCO_NAMES, generic_names
from edgekit.spec import TASK_NAMES, TaskName
from edgekit.text import shorten

MAX_LITERAL = 1 << 20  # characters; the names of 1000 classes take about 20 thousand
MAX_CLASSES = 10_000
# What descriptions call a family: "Ultralytics YOLOv8n-seg model", "YOLO11n", "YOLOv5nu", "YOLO26n", "YOLOe-26n".
FAMILY_PATTERN = re.compile(r"\byoloe?-?(v?)(\d{1,2})[a-z]*?\d*(u?)(?:[-_\s].*)?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Metadata:
    """Empty fields where the file says nothing; `family` as in "yolov8", "yolo11", "yolov5u"."""

    family: str = ""
    task: Literal[TaskName, ""] = ""
    names: tuple[str, ...] = ()
    imgsz_hw: tuple[int, ...] = ()
    keypoint_shape: tuple[int, ...] = ()


def read_metadata(model: onnx.ModelProto) -> Metadata:
    """The metadata of `model`; raises ModelError where a property is there but cannot be what it claims."""
    properties = {p.key: p.value for p in model.metadata_props}
    declared = properties.get("task", "")
    task = next((name for name in TASK_NAMES if name == declared), None)
    if declared and task is None:
        raise ModelError(
            f"this is a model for the task {shorten(declared, 60)} (metadata property 'task'), which edgekit does not "
            f"support, expected one of {', '.join(TASK_NAMES)}",
            hint="take a YOLO model of one of these tasks",
        )
    return Metadata(
        family=family_of(properties.get("description", "")),
        task=task or "",
        names=_names(properties.get("names", "")),
        imgsz_hw=_integers(properties, "imgsz"),
        keypoint_shape=_integers(properties, "kpt_shape"),
    )


def family_of(description: str) -> str:
    """Ultralytics YOLOv8n-seg model trained on ..." -> "yolov8"; empty where no family is named."""
    for word in description.split():
        if match := FAMILY_PATTERN.match(word):
            letter, number, unanchored = match.groups()
            family = f"yolo{letter.lower()}{int(number)}"
            return family + (unanchored.lower() if number == "5" else "")
    return ""


def class_names(metadata: Metadata, count: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of `count` classes, and what was assumed; raises ModelError where the metadata has another number."""
    if len(metadata.names) == count:
        return metadata.names, ()
    if metadata.names:
        raise ModelError(
            f"the metadata names {len(metadata.names)} classes, but the class outputs have {count} channels",
            hint="fix the `names` property, or export the model again",
        )
    if count == len(COCO_NAMES):
        return COCO_NAMES, (f"the file names no classes; its {count} are taken for COCO's",)
    return generic_names(count), ("the file names no classes; they are numbered",)


def _names(text: str) -> tuple[str, ...]:
    """Class names from a Python or JSON literal: {0: 'person', ...} or ['person', ...]."""
    if not text:
        return ()
    value = _literal("names", text)
    if isinstance(value, Mapping):
        if sorted(map(str, value)) != sorted(map(str, range(len(value)))):
            raise _bad("names", text, f"class ids 0..{len(value) - 1}, each once")
        by_id = {int(key): name for key, name in value.items()}
        value = [by_id[i] for i in range(len(by_id))]
    if not isinstance(value, (list, tuple)) or not 0 < len(value) <= MAX_CLASSES:
        raise _bad("names", text, f"a list or mapping of 1 to {MAX_CLASSES} names")
    return tuple(str(name) for name in value)


def _integers(properties: Mapping[str, str], key: str) -> tuple[int, ...]:
    text = properties.get(key, "")
    if not text:
        return ()
    value = _literal(key, text)
    if isinstance(value, int):
        value = [value, value]
    whole = isinstance(value, (list, tuple)) and all(type(v) is int and 0 < v < 1 << 16 for v in value)
    if not whole or len(value) != 2:  # type: ignore[arg-type]
        raise _bad(key, text, "two positive whole numbers")
    return tuple(value)  # type: ignore[arg-type]


def _literal(key: str, text: str) -> object:
    if len(text) > MAX_LITERAL:
        raise _bad(key, text, f"at most {MAX_LITERAL} characters")
    try:
        value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise _bad(key, text, "a plain list, mapping or number") from error
    return value


def _bad(key: str, value: str, expected: str) -> ModelError:
    return ModelError(
        f"the model's metadata property {key!r} is {shorten(value, 60)}, expected {expected}",
        hint="export the model again with Ultralytics, or fix the property",
    )
