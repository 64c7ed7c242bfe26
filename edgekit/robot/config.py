"""What a robot runs: models, sources, which model on which source how often, and where the results go."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from edgekit.errors import ConfigError
from edgekit.results import MASK_FORMATS
from edgekit.robot.section import Section, entries
from edgekit.runtime.sources import STREAM_PREFIXES
from edgekit.text import shorten
from edgekit.tracking.counting import check_shapes
from edgekit.tracking.shapes import Shape, parse_line, parse_zone

__all__ = ["ModelConfig", "OutputConfig", "RobotConfig", "SourceConfig", "TaskConfig", "parse_config"]

MAX_PRIORITY = 255  # as the board's library has it
MAX_CORE = 15
PUBLISHED = ("events", "results")


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A model.

    Attributes:
        name: What tasks call it.
        path: `.bin`, quantized graph, float ONNX or bundle.
        device: As of `edgekit run --device`.
        conf: Score threshold, 0..1.
        iou: Overlap threshold of the NMS, 0..1.
        max_detections: Objects per image at most.
        priority: 0..255; the device's own, and the weight of the model's share where others wait, too.
        core: The BPU's core that computes it; None leaves it to the board.
    """

    name: str
    path: str
    device: str = "auto"
    conf: float = 0.25
    iou: float = 0.7
    max_detections: int = 300
    priority: int = 0
    core: int | None = None


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """A source: `source` as of `edgekit run --source`, under a name."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class TaskConfig:
    """One model's work on one source.

    Attributes:
        model: The model's name.
        source: The source's name.
        every: It runs on every n-th frame.
        crops_of: Empty for the whole frame; else the model whose boxes it runs on the crops of.
        classes: Of these classes only; empty for all.
        margin: What a crop has around its box, in shares of the box's sides.
        max_crops: Crops of a frame at most, the best boxes first.
        track: Whether its objects are tracked.
        shapes: The lines and zones that tracked objects are counted at.
    """

    model: str
    source: str
    every: int = 1
    crops_of: str = ""
    classes: tuple[str, ...] = ()
    margin: float = 0.1
    max_crops: int = 8
    track: bool = False
    shapes: tuple[Shape, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputConfig:
    """Where the results go.

    Attributes:
        folder: The output folder; empty for the usual name.
        images: Whether annotated videos and images are written.
        masks: How masks stand in the JSON.
        draw_times: Whether milliseconds and frames per second are drawn.
        preview: The port of the page with an image per source; 0 for none.
        preview_hosts: Names under which other machines may ask for it.
        mqtt: mqtt://HOST[:PORT]/TOPIC, or empty.
        webhook: http(s)://..., or empty.
        publish: What they get: the events at lines and zones, or all results.
    """

    folder: str = ""
    images: bool = True
    masks: str = "rle"
    draw_times: bool = False
    preview: int = 0
    preview_hosts: tuple[str, ...] = ()
    mqtt: str = ""
    webhook: str = ""
    publish: str = "events"


@dataclass(frozen=True, slots=True)
class RobotConfig:
    """The whole of it; every name in a task is that of a model or source here."""

    models: tuple[ModelConfig, ...]
    sources: tuple[SourceConfig, ...]
    tasks: tuple[TaskConfig, ...]
    output: OutputConfig = field(default_factory=OutputConfig)
    in_flight: int = 2

    def tasks_of(self, source: str) -> tuple[TaskConfig, ...]:
        """Return the tasks on one source, in order."""
        return tuple(task for task in self.tasks if task.source == source)


def parse_config(value: object, location: str) -> RobotConfig:
    """Check a configuration as yaml or JSON gave it.

    Args:
        value: The parsed file.
        location: Which file it was, for messages.

    Returns:
        The configuration; a task on several sources has become a task on each.

    Raises:
        ConfigError: Naming what is unknown, missing, repeated or out of range, and where.
    """
    whole = Section(value, location)
    models = tuple(_model(name, entry, whole.at(f"models: {name}")) for name, entry in _named(whole, "models"))
    sources = tuple(_source(name, entry, whole.at(f"sources: {name}")) for name, entry in _named(whole, "sources"))
    rows = whole.value("tasks")
    if not isinstance(rows, list) or not rows:
        raise ConfigError(f"{whole.at('tasks')} is {shorten(rows)}, expected a list", hint="name a model and a source")
    tasks = tuple(
        task
        for number, row in enumerate(rows, start=1)
        for task in _tasks(row, whole.at(f"task {number}"), models, sources)
    )
    output = _output(whole.value("output") or {}, whole.at("output"))
    in_flight = whole.integer("in_flight", 2, low=1, high=16)
    whole.finish()
    _check_sources(sources, location)
    _check_tasks(tasks, models, sources, location)
    return RobotConfig(models, sources, tasks, output, in_flight)


def _named(whole: Section, key: str) -> list[tuple[str, object]]:
    return entries(whole.value(key), whole.at(key))


def _model(name: str, value: object, location: str) -> ModelConfig:
    section = Section({"path": value} if isinstance(value, str) else value, location)
    core = section.integer("core", -1, low=-1, high=MAX_CORE)
    model = ModelConfig(
        name,
        section.text("path"),
        section.text("device", "auto"),
        section.number("conf", 0.25, low=0, high=1),
        section.number("iou", 0.7, low=0, high=1),
        section.integer("max_detections", 300, low=1, high=100_000),
        section.integer("priority", 0, low=0, high=MAX_PRIORITY),
        None if core < 0 else core,
    )
    section.finish()
    return model


def _source(name: str, value: object, location: str) -> SourceConfig:
    section = Section(value if isinstance(value, dict) else {"source": value}, location)
    source = SourceConfig(name, section.text("source"))
    section.finish()
    return source


def _tasks(
    value: object, location: str, models: tuple[ModelConfig, ...], sources: tuple[SourceConfig, ...]
) -> list[TaskConfig]:
    section = Section(value, location)
    model = section.text("model")
    on = section.texts("source") or tuple(source.name for source in sources)
    every = section.integer("every", 1, low=1, high=1_000_000)
    parent, classes = section.text("crops_of", ""), section.texts("classes")
    margin = section.number("margin", 0.1, low=0, high=4)
    max_crops = section.integer("max_crops", 8, low=1, high=1000)
    shapes: tuple[Shape, ...] = (
        *(parse_line(text) for text in section.texts("lines")),
        *(parse_zone(text) for text in section.texts("zones")),
    )
    track = section.flag("track", bool(shapes))
    section.finish()
    for kind, name, names in (("model", model, models), ("model", parent or model, models)):
        _require_name(kind, name, [entry.name for entry in names], location)
    for name in on:
        _require_name("source", name, [entry.name for entry in sources], location)
    if shapes and not track:
        raise ConfigError(
            f"{location} has lines or zones and track: false, expected tracks", hint="remove track: false"
        )
    if track and parent:
        raise ConfigError(
            f"{location} tracks on the crops of {parent!r}, expected tracks on whole frames",
            hint=f"track the objects of {parent!r}: crops carry the number of their box",
        )
    if classes and not parent:
        raise ConfigError(
            f"{location} has classes without crops_of", hint="classes are those of the boxes that crops_of names"
        )
    check_shapes(shapes)
    return [TaskConfig(model, name, every, parent, classes, margin, max_crops, track, shapes) for name in on]


def _output(value: object, location: str) -> OutputConfig:
    section = Section(value, location)
    output = OutputConfig(
        section.text("folder", ""),
        section.flag("images", True),
        section.choice("masks", MASK_FORMATS, "rle"),
        section.flag("draw_times", False),
        section.integer("preview", 0, low=0, high=65535),
        section.texts("preview_hosts"),
        section.text("mqtt", ""),
        section.text("webhook", ""),
        section.choice("publish", PUBLISHED, "events"),
    )
    section.finish()
    return output


def _require_name(kind: str, name: str, names: list[str], location: str) -> None:
    if name not in names:
        raise ConfigError(
            f"{location} names the {kind} {shorten(name)}, expected one of {', '.join(names)}",
            hint=f"add it to {kind}s, or correct its name",
        )


def _check_sources(sources: tuple[SourceConfig, ...], location: str) -> None:
    """Refuse a camera or stream that two sources name: most cameras can be opened once only."""
    cameras = ["0" if s.source == "camera" else "mipi:0" if s.source == "mipi" else s.source for s in sources]
    twice = next((s for s, count in Counter(filter(_is_camera, cameras)).items() if count > 1), None)
    if twice is not None:
        names = [s.name for s, camera in zip(sources, cameras, strict=True) if camera == twice]
        raise ConfigError(
            f"{location}: sources {' and '.join(names)} are both camera {twice!r}, expected each camera once",
            hint="name one source, and several tasks on it",
        )


def _is_camera(source: str) -> bool:
    return source.isdigit() or source.startswith(("mipi", "/dev/", *STREAM_PREFIXES))


def _check_tasks(
    tasks: tuple[TaskConfig, ...],
    models: tuple[ModelConfig, ...],
    sources: tuple[SourceConfig, ...],
    location: str,
) -> None:
    pairs = Counter((task.model, task.source) for task in tasks)
    twice = next((pair for pair, count in pairs.items() if count > 1), None)
    if twice is not None:
        raise ConfigError(
            f"{location}: model {twice[0]!r} has two tasks on source {twice[1]!r}, expected one", hint="join the two"
        )
    for task in tasks:
        parent = next((t for t in tasks if (t.model, t.source) == (task.crops_of, task.source)), None)
        if task.crops_of and (parent is None or parent.crops_of):
            raise ConfigError(
                f"{location}: {task.model!r} runs on boxes of {task.crops_of!r} on source {task.source!r}, which has "
                f"no task of {task.crops_of!r} on whole frames",
                hint=f"add the task of {task.crops_of!r} on that source",
            )
    for kind, names, used in (
        ("model", [m.name for m in models], {t.model for t in tasks}),
        ("source", [s.name for s in sources], {t.source for t in tasks}),
    ):
        idle = [name for name in names if name not in used]
        if idle:
            raise ConfigError(f"{location}: {kind} {idle[0]!r} is in no task", hint="add a task for it, or remove it")
