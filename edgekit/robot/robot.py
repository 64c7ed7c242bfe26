"""A robot's run: all its models on all its sources at once, and the device shared fairly between them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.decode.tasks import TASKS
from edgekit.errors import ConfigError, EdgekitError
from edgekit.robot.config import RobotConfig, TaskConfig
from edgekit.robot.schedule import FairScheduler, Share
from edgekit.robot.source_run import RETRY_S, Deliver, SourceCounts, SourceRun, route_name
from edgekit.runtime.recovering_session import RecoveringSession
from edgekit.runtime.sources import Source
from edgekit.tracking.options import TrackOptions
from edgekit.tracking.tracker import Tracker

__all__ = ["Robot", "RobotReport", "check_tasks"]

JOIN_S = 0.2  # between two looks at who still runs, so that Ctrl-C is heard
LOW_SCORE = 0.1  # down to which tracked models are decoded: low scores continue tracks

OpenSource = Callable[[str], Source]


@dataclass(frozen=True, slots=True)
class RobotReport:
    """What a run did: per source what became of its frames, per task what it had of the device."""

    sources: Mapping[str, SourceCounts]
    shares: Mapping[str, Share]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        sources = {
            name: {
                **{f: getattr(counts, f) for f in ("read", "done", "dropped", "failed", "deaths")},
                "failure": None if counts.failure is None else str(counts.failure),
            }
            for name, counts in self.sources.items()
        }
        tasks = {
            name: {"inferences": share.jobs, "busy_s": round(share.busy_s, 4), "waited_s": round(share.waited_s, 4)}
            for name, share in self.shares.items()
        }
        return {"sources": sources, "tasks": tasks}

    def summary(self) -> list[str]:
        """Return the lines that end a run."""
        lines = []
        for name, counts in self.sources.items():
            parts = [f"{counts.done} frames"]
            kinds = ((counts.dropped, "dropped"), (counts.failed, "failures"), (counts.deaths, "times it died"))
            parts += [f"{count} {kind}" for count, kind in kinds if count]
            lines.append(f"{name}: {', '.join(parts)}")
        busy_s = sum(share.busy_s for share in self.shares.values()) or 1.0
        for name, share in self.shares.items():
            wait_ms = 1000 * share.waited_s / max(1, share.jobs)
            lines.append(
                f"{name}: {share.jobs} inferences, {share.busy_s / busy_s:.0%} of the device's time, "
                f"waited {wait_ms:.1f} ms for it"
            )
        return lines

    def failures(self) -> dict[str, Exception]:
        """Return what ended sources that did not end by themselves."""
        return {name: counts.failure for name, counts in self.sources.items() if counts.failure is not None}


def check_tasks(config: RobotConfig, sessions: Mapping[str, RecoveringSession]) -> None:
    """Check the tasks against what the models are.

    Raises:
        ConfigError: Where a classifier is tracked or gives crops, or a class is none of the model's.
    """
    for task in config.tasks:
        spec = sessions[task.crops_of or task.model].current().spec
        if not TASKS[spec.task].has_boxes and (task.track or task.crops_of):
            what = (
                f"{task.model!r} runs on the boxes of {task.crops_of!r}"
                if task.crops_of
                else f"{task.model!r} is tracked"
            )
            raise ConfigError(
                f"{what}, which has no boxes (task {spec.task!r})", hint="name a model that detects objects"
            )
        unknown = [name for name in task.classes if name not in spec.names]
        if unknown:
            raise ConfigError(
                f"{task.model!r} runs on {unknown[0]!r}, which is no class of {task.crops_of!r} "
                f"({', '.join(spec.names[:5])}, ...)",
                hint="correct the name of the class",
            )


class Robot:
    """One configuration at work.

    A source that dies takes nobody with it: a live one is opened again until the run ends, a file's ends. A task that
    fails on a frame is left out of that frame.
    """

    def __init__(
        self,
        config: RobotConfig,
        sessions: Mapping[str, RecoveringSession],
        open_source: OpenSource,
        *,
        deliver: Deliver,
        on_note: Callable[[str], None] = lambda note: None,
        retry_s: float = RETRY_S,
    ) -> None:
        """Set up; nothing runs yet.

        Args:
            config: The configuration.
            sessions: Every model by name.
            open_source: Opens what a source's `source` says.
            deliver: Takes every finished frame; the frames of one source come in order and on one thread, those of
                different sources at the same time.
            on_note: Takes what the user should know; from any thread.
            retry_s: Between two attempts to open a live source that died.
        """
        check_tasks(config, sessions)
        self.config = config
        self._open_source = open_source
        self._on_note = on_note
        self._stopping = threading.Event()
        self._scheduler = FairScheduler(config.in_flight)
        weights = {model.name: 1.0 + model.priority for model in config.models}
        for task in config.tasks:
            self._scheduler.add_route(route_name(task), weight=weights[task.model])
        confs = {model.name: model.conf for model in config.models}
        self.runs = {
            source.name: SourceRun(
                source.name,
                lambda where=source.source: open_source(where),  # type: ignore[misc]
                config.tasks_of(source.name),
                dict(sessions),
                self._scheduler,
                {t.model: _tracker(t, confs[t.model]) for t in config.tasks_of(source.name) if t.track},
                deliver,
                on_note,
                config.in_flight,
                self._stopping,
                retry_s,
            )
            for source in config.sources
        }

    def run(self, sources: Mapping[str, Source]) -> RobotReport:
        """Run until every source has ended, or `stop`; Ctrl-C stops it, and is raised when all threads have ended.

        Args:
            sources: The opened sources by name; one that could not be opened is absent.
        """
        started = [run for name, run in self.runs.items() if name in sources]
        try:
            for run in started:
                run.start(sources[run.name])
            while any(run.alive() for run in started):
                self._stopping.wait(JOIN_S)
                if self._stopping.is_set():
                    break
        finally:
            self._end(started)
        return self.report()

    def report(self) -> RobotReport:
        """Return what has happened so far."""
        return RobotReport({name: run.counts for name, run in self.runs.items()}, self._scheduler.shares())

    def stop(self) -> None:
        """End the run soon; may be called from any thread."""
        self._stopping.set()

    def _end(self, started: list[SourceRun]) -> None:
        self._stopping.set()
        for run in started:
            run.cancel()
        self._scheduler.close()
        for run in started:
            run.join()


def open_sources(
    config: RobotConfig, open_source: OpenSource, on_note: Callable[[str], None]
) -> tuple[dict[str, Source], dict[str, EdgekitError]]:
    """Open every source; those that cannot be opened are said and left out.

    Returns:
        The opened sources by name, and what was wrong with the others.
    """
    opened: dict[str, Source] = {}
    failures: dict[str, EdgekitError] = {}
    for source in config.sources:
        try:
            opened[source.name] = open_source(source.source)
        except EdgekitError as error:
            failures[source.name] = error
            on_note(f"source {source.name} cannot be opened and is left out: {error.message}")
    return opened, failures


def _tracker(task: TaskConfig, conf: float) -> Tracker:
    return Tracker(TrackOptions(high_score=conf), task.shapes, show_score=conf)


def decoding_score(config: RobotConfig, model: str) -> float:
    """Return the score down to which a model's objects are decoded: lower where they are tracked."""
    conf = next(entry.conf for entry in config.models if entry.name == model)
    return min(conf, LOW_SCORE) if any(t.track for t in config.tasks if t.model == model) else conf
