"""`edgekit run --config`: several models on several sources, as a yaml or JSON file says."""

from __future__ import annotations

import argparse
import contextlib
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.console import print_json
from edgekit.cli.run_delivery import chosen_encoder
from edgekit.cli.run_summary import say
from edgekit.cli.source import open_any_source

if TYPE_CHECKING:
    from edgekit.output.folder import RunFolder
    from edgekit.output.preview import Preview
    from edgekit.robot.config import ModelConfig, OutputConfig, RobotConfig
    from edgekit.robot.robot import RobotReport
    from edgekit.runtime.recovering_session import RecoveringSession
    from edgekit.runtime.session import Session
    from edgekit.runtime.sources import Source

DEFAULT_FOLDER = "edgekit_robot"
JSON_SUFFIX = ".json"


def run_robot(args: argparse.Namespace) -> int:
    """Run a configuration until its sources have ended or Ctrl-C; returns the exit code.

    Raises:
        EdgekitError: Where the configuration, a model, or every source is not usable.
    """
    from edgekit.errors import ConfigError
    from edgekit.robot.robot import open_sources

    if args.model or args.source:
        raise ConfigError(
            "--config names models and sources, and --model or --source is given, too", hint="leave it away"
        )
    path = Path(args.config)
    config = read_config(path)
    sessions = _open_models(config, path.parent)
    try:
        sources, failures = open_sources(config, lambda where: _open_source(where, path.parent), _note)
        if not sources:
            raise next(iter(failures.values()))
        report, folder = _run(args, config, path, sessions, sources)
    finally:
        for session in sessions.values():
            session.current().close()
    _print(args, report, folder)
    ended = report.failures()
    if len(ended) == len(sources):
        raise next(iter(ended.values()))
    return 0


def read_config(path: Path) -> RobotConfig:
    """Read and check a robot's yaml or JSON.

    Raises:
        ConfigError: Where it is not one, or it is yaml and no reader of yaml is installed.
    """
    from edgekit.errors import ConfigError
    from edgekit.robot.config import parse_config
    from edgekit.text import read_json_file

    if path.suffix.lower() == JSON_SUFFIX:
        return parse_config(read_json_file(path, error=ConfigError), str(path))
    try:
        reader = importlib.import_module("edgekit.data.plain_yaml")
    except ImportError as error:
        raise ConfigError(
            f"{path} is yaml, and what reads it is not installed here ({error.name})",
            hint="write the same as JSON, in a file that ends in .json",
        ) from error
    return parse_config(reader.read_yaml(path), str(path))


def _open_models(config: RobotConfig, base: Path) -> dict[str, RecoveringSession]:
    from edgekit.runtime.recovering_session import RecoveringSession

    sessions = {}
    for model in config.models:
        session = _open_model(config, model, base)
        for note in session.notes:
            say(f"note: {model.name}: {note}")
        sessions[model.name] = RecoveringSession(
            session,
            reopen=lambda model=model: _open_model(config, model, base),  # type: ignore[misc]
            on_event=lambda event, name=model.name: say(f"note: {name}: {event}"),  # type: ignore[misc]
        )
    return sessions


def _open_model(config: RobotConfig, model: ModelConfig, base: Path) -> Session:
    from edgekit.robot.robot import decoding_score
    from edgekit.robot.scheduling import set_scheduling
    from edgekit.runtime.session import load

    session = load(
        base / model.path,
        model.device,
        conf=decoding_score(config, model.name),
        iou=model.iou,
        max_detections=model.max_detections,
    )
    if (model.priority or model.core is not None) and not set_scheduling(session.device, model.priority, model.core):
        say(f"note: {model.name}: this device knows no priority and no core; only edgekit's own shares follow it")
    return session


def _open_source(where: str, base: Path) -> Source:
    """A source; files are relative to the configuration's folder."""
    from edgekit.datapath import exists
    from edgekit.runtime.sources import is_glob

    beside = base / where
    local = exists(beside) or (is_glob(str(beside)) and not where.startswith("/"))
    return open_any_source(str(beside) if local else where, on_skip=lambda error: say(f"skipped: {error.message}"))


def _run(
    args: argparse.Namespace,
    config: RobotConfig,
    path: Path,
    sessions: Mapping[str, RecoveringSession],
    sources: Mapping[str, Source],
) -> tuple[RobotReport, Path]:
    from edgekit.output.folder import run_folder
    from edgekit.robot.outputs import planned_names

    folder = Path(args.output or config.output.folder or DEFAULT_FOLDER)
    inputs = [path, *(path.parent / model.path for model in config.models)]
    inputs += [file for source in sources.values() for file in source.files]
    planned = planned_names(config, sources)
    with run_folder(folder, inputs=inputs, planned=planned, overwrite=args.overwrite) as out:
        return _run_in(out, args, config, sessions, sources), folder


def _run_in(
    out: RunFolder,
    args: argparse.Namespace,
    config: RobotConfig,
    sessions: Mapping[str, RecoveringSession],
    sources: Mapping[str, Source],
) -> RobotReport:
    from edgekit.output.sending import open_sending
    from edgekit.robot.outputs import RobotOutputs, robot_outputs
    from edgekit.robot.robot import Robot

    live = any(source.live for source in sources.values())
    output: list[RobotOutputs] = []
    base = Path(args.config).parent
    robot = Robot(
        config,
        sessions,
        lambda where: _open_source(where, base),
        deliver=lambda frame: output[0].deliver(frame),
        on_note=_note,
    )
    with contextlib.ExitStack() as stack:
        to = config.output
        sending = stack.enter_context(open_sending(to.mqtt, to.webhook, published=to.publish, on_note=_note))
        preview = stack.enter_context(_preview(to, tuple(sources)))
        trackers = {name: run.trackers for name, run in robot.runs.items()}
        encoder = chosen_encoder(args.codec) if to.images else None
        header = _header(config, sessions)
        output.append(
            stack.enter_context(
                robot_outputs(
                    config, sources, out, sending, header, trackers=trackers, preview=preview, encoder=encoder
                )
            )
        )
        try:
            robot.run(sources)
        except KeyboardInterrupt:  # how a robot with cameras ends
            if not live:
                raise
    for line in sending.summary():
        say(f"note: {line}")
    return robot.report()


@contextlib.contextmanager
def _preview(output: OutputConfig, titles: tuple[str, ...]) -> Any:
    from edgekit.output.preview import Preview, listen_address

    if not output.preview:
        yield None
        return
    preview: Preview = Preview(
        output.preview, host=listen_address(output.preview_hosts), names=output.preview_hosts, titles=titles
    )
    say(f"preview: {preview.url}")
    try:
        yield preview
    finally:
        preview.close()


def _header(config: RobotConfig, sessions: Mapping[str, RecoveringSession]) -> dict[str, Any]:
    from edgekit.records import envelope

    models = {
        model.name: {
            "model": Path(model.path).name,
            "task": sessions[model.name].current().spec.task,
            "device": sessions[model.name].current().device.kind,
            "conf": model.conf,
            "iou": model.iou,
        }
        for model in config.models
    }
    return {**envelope("run"), "models": models}


def _print(args: argparse.Namespace, report: RobotReport, folder: Path) -> None:
    if args.json:
        print_json("robot-run", report.to_dict())
        return
    print("\n".join([*report.summary(), f"results are in {folder}"]))


def _note(note: str) -> None:
    say(f"note: {note}")
