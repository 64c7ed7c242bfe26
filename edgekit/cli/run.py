"""`edgekit run`: a model on images, folders, videos, cameras or streams."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli.options import add_device, add_json, add_output, add_overwrite, add_thresholds
from edgekit.cli.outputs import (
    DEFAULT_OUTPUT,
    Outputs,
    export_sinks,
    image_sinks,
    input_files,
    output_folder,
    planned_outputs,
    row_sinks,
)
from edgekit.cli.run_delivery import Delivery, add_delivery
from edgekit.cli.run_robot import run_robot
from edgekit.cli.run_summary import Tally, say
from edgekit.cli.run_tracking import (
    COUNTS_NAME,
    RunTracking,
    add_tracking,
    decoding_score,
    remaining,
    run_tracking,
)
from edgekit.files import listed, write_json
from edgekit.records import envelope

RECORD_FOLDER = "record"

if TYPE_CHECKING:
    from edgekit.output.folder import RunFolder
    from edgekit.output.sending import Sending
    from edgekit.runtime.recording import Recorder
    from edgekit.runtime.recovering_session import RecoveringSession
    from edgekit.runtime.session import Session
    from edgekit.runtime.sources import Source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--model", help=".bin, quantized graph, float ONNX or bundle")
    parser.add_argument(
        "--source",
        help="image, folder, glob, list (.txt), COCO JSON, dataset yaml, video, stream URL, or a camera "
        "(number, 'camera', 'mipi'); for a model that takes more than one image or none .npz, .npy or a folder of them",
    )
    parser.add_argument(
        "--config",
        metavar="YAML",
        help="several models on several sources in place of --model and --source: yaml or JSON, see docs/robot.md",
    )
    add_output(parser, f"folder for images and results (default: {DEFAULT_OUTPUT}, numbered)")
    add_overwrite(parser, "files in a folder that is not empty, all of them named; never one that is read")
    add_device(parser)
    add_thresholds(parser)
    parser.add_argument("--max-detections", type=int, default=300, help="objects per image at most (default 300)")
    parser.add_argument("--names", help="class names: 'coco', or a text file with one name per line")
    parser.add_argument("--masks", default="rle", choices=("rle", "polygons", "none"), help="masks in the JSON")
    parser.add_argument(
        "--labels",
        choices=("yolo", "yolo-scores", "dota"),
        help="also write a label file per image to labels/: as training tools and eval read them (yolo, dota), "
        "or with the score at the end of each line (yolo-scores)",
    )
    parser.add_argument(
        "--maps",
        default="auto",
        choices=("auto", "png", "npz", "none"),
        help="also write class maps or depth maps to maps/ (default: auto, PNG for depth, since its JSON holds none)",
    )
    parser.add_argument(
        "--full-size",
        action="store_true",
        help="interpolate class maps and depth maps at every pixel; otherwise pixels have the value of their cell",
    )
    parser.add_argument("--coco", action="store_true", help="also write coco_results.json, as pycocotools reads it")
    parser.add_argument("--frames", type=int, help="stop after this many images")
    parser.add_argument("--no-images", action="store_true", help="write results only, draw nothing")
    add_json(parser, "the results")
    add_tracking(parser)
    add_delivery(parser)
    live = parser.add_argument_group("live runs")
    live.add_argument("--preview", type=int, metavar="PORT", help="show the newest image in a browser")
    live.add_argument(
        "--preview-host",
        action="append",
        default=[],
        metavar="NAME",
        help="address or name under which other machines may ask for the preview, such as 0.0.0.0 or rdk.local; "
        "may be repeated (default: this machine alone)",
    )
    live.add_argument("--show", action="store_true", help="show the newest image in a window")
    live.add_argument("--watch", action="store_true", help="take over a new version of the model file between frames")
    live.add_argument("--fallback", choices=("sim",), help="go on here, marked so, when the device stays broken")
    live.add_argument("--in-flight", type=int, default=2, help="frames given to the device at once (default 2)")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from edgekit.cli.source import open_model_source, refuse_for_arrays
    from edgekit.errors import ConfigError
    from edgekit.output.folder import run_folder
    from edgekit.output.names import output_names
    from edgekit.runtime.recovering_session import RecoveringSession

    if args.config:
        return run_robot(args)
    missing = [f"--{name}" for name in ("model", "source") if getattr(args, name) is None]
    if missing:
        raise ConfigError(f"{' and '.join(missing)} is missing", hint="name a model and a source, or a --config")
    for option, why in (("watch", "would change its model"), ("resume", "goes on with another run's frames")):
        if args.record and getattr(args, option):
            raise ConfigError(f"--record is of one run, and --{option} {why}", hint="leave one of them away")
    if args.in_flight < 1 or (args.frames is not None and args.frames < 1):
        raise ConfigError("--in-flight and --frames must be 1 or more", hint="leave them away for the usual")
    tally = Tally()
    session = _open(args, args.device)
    if args.labels == "dota" and session.spec.task != "obb":
        raise ConfigError(
            f"--labels dota is for rotated boxes, and this model's task is {session.spec.task!r}",
            hint="use --labels yolo",
        )
    source = open_model_source(args.source, session.spec, on_skip=lambda error: tally.skip(error.message))
    refuse_for_arrays(args, session.spec)
    names = output_names(source.names)
    folder = output_folder(args, source)
    tracking = run_tracking(args, session, source, folder)
    source = remaining(source, tracking)
    for note in (*session.notes, *source.notes):
        say(f"note: {note}")
    engine = RecoveringSession(
        session,
        reopen=lambda: _open(args, args.device),
        fallback=(lambda: _open(args, args.fallback)) if args.fallback else None,
        on_event=lambda event: say(f"note: {event}"),
    )
    try:
        planned = planned_outputs(args, session, source, names, folder)
        replaces = args.overwrite or args.resume
        with (
            run_folder(folder, inputs=input_files(args, source), planned=planned, overwrite=replaces) as out,
            _watching(args, engine),
        ):
            _say_replaced(out)
            _run_all(args, engine, source, Outputs(out, names), tally, tracking)
            _say_replaced(out)
    finally:
        engine.current().close()
    if not args.json:
        print(tally.summary(folder, tracking.summary() if tracking else ()))
    return 0


def _say_replaced(out: RunFolder) -> None:
    """Name what --overwrite replaces: beforehand what is planned, afterwards the rest."""
    if out.replaced:
        say(f"note: --overwrite replaces {listed(out.replaced)}")
        out.replaced.clear()


def _run_all(
    args: argparse.Namespace,
    engine: RecoveringSession,
    source: Source,
    out: Outputs,
    tally: Tally,
    tracking: RunTracking | None,
) -> None:
    """Run every frame; a failure on the way is raised once the results so far are written."""
    from edgekit.cli.console import progress_bar
    from edgekit.errors import ImageError
    from edgekit.output.draw_times import FrameRate
    from edgekit.runtime.pipeline import PipelineCounts, run_pipeline

    counts = PipelineCounts()
    total = min(source.count, args.frames) if args.frames and source.count else source.count
    failure: Exception | None = None
    with contextlib.ExitStack() as stack:
        rows = row_sinks(args, engine.current(), source, out, stack, tracking)
        images = image_sinks(args, source, out, stack)
        exports, sending = export_sinks(args, engine.current(), out, stack), stack.enter_context(_sending(args))
        rate = FrameRate() if args.draw_times else None
        recorder = _recorder(engine.current(), out) if args.record else None
        delivery = Delivery(images, rows, exports, args.masks, tracking, sending, rate, recorder)
        report = stack.enter_context(progress_bar())
        frames = stack.enter_context(
            contextlib.closing(
                run_pipeline(
                    source,
                    engine,
                    in_flight=args.in_flight,
                    counts=counts,
                    on_skip=lambda error: tally.skip(error.message),
                    keep_heads=args.record,
                )
            )
        )
        try:
            with _ending_live_runs(source):
                for done in frames:
                    tally.add(delivery.deliver(done))
                    report("run", tally.images, total)
                    if args.frames and tally.images >= args.frames:
                        break
        except Exception as error:
            if not tally.images and not isinstance(error, BrokenPipeError):
                raise
            failure = error
        tally.dropped = counts.dropped
        if failure is None and not tally.images:  # raised in here, so that no empty results are left behind
            raise ImageError(f"{args.source} holds no readable image", hint="see the lines above")
    tally.messages = sending.summary()
    if tracking:
        _finish_tracking(tracking, out)
    if failure is not None:
        say(f"note: the results of the {tally.images} images before the error are kept in {out.folder.folder}")
        raise failure


def _recorder(session: Session, out: Outputs) -> Recorder:
    from edgekit.runtime.recording import Recorder

    return Recorder(
        lambda name: out.folder.take(f"{RECORD_FOLDER}/{name}"), session, on_note=lambda note: say(f"note: {note}")
    )


def _sending(args: argparse.Namespace) -> contextlib.AbstractContextManager[Sending]:
    from edgekit.errors import ConfigError
    from edgekit.output.sending import EVENTS, RESULTS, open_sending

    if args.publish and not (args.mqtt or args.webhook):
        raise ConfigError("--publish says what is sent, and nobody gets it", hint="add --mqtt or --webhook")
    if args.publish == EVENTS and not (args.line or args.zone):
        raise ConfigError("--publish events needs lines or zones, where they happen", hint="add --track and --line")
    published = args.publish or (EVENTS if args.line or args.zone else RESULTS)
    return open_sending(args.mqtt, args.webhook, published=published, on_note=lambda note: say(f"note: {note}"))


def _finish_tracking(tracking: RunTracking, out: Outputs) -> None:
    if tracking.tracker.shapes:
        write_json(out.folder.take(COUNTS_NAME), {**envelope("counts"), **tracking.totals()})
    tracking.finish()


@contextlib.contextmanager
def _ending_live_runs(source: Source) -> Iterator[None]:
    """Ctrl-C is how a live run ends, so its files are finished; that of a file is broken off and leaves none."""
    try:
        yield
    except KeyboardInterrupt:
        if not source.live:
            raise


@contextlib.contextmanager
def _watching(args: argparse.Namespace, engine: RecoveringSession) -> Iterator[None]:
    if not args.watch:
        yield
        return
    from edgekit.runtime.model_reload import ModelWatch

    def take(session: Session) -> None:
        engine.replace(session)
        say(f"note: {args.model} was replaced; the new one runs from the next frame on")

    watch = ModelWatch(
        Path(args.model), lambda: _open(args, args.device), on_new=take, on_bad=lambda why: say(f"note: {why}")
    )
    watch.start()
    try:
        yield
    finally:
        watch.close()


def _open(args: argparse.Namespace, device: str) -> Session:
    from edgekit.runtime.session import load

    session = load(
        args.model,
        device,
        conf=decoding_score(args),
        iou=args.iou,
        max_detections=args.max_detections,
        full_size=args.full_size,
    )
    return session if args.names is None else session.with_names(_read_names(args.names))


def _read_names(names: str) -> tuple[str, ...]:
    from edgekit.errors import ConfigError
    from edgekit.labels import COCO_NAMES
    from edgekit.text import read_text

    if names == "coco":
        return COCO_NAMES
    lines = read_text(Path(names), max_bytes=1 << 20, error=ConfigError).splitlines()
    return tuple(line.strip() for line in lines if line.strip())
