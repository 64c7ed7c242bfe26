"""`edgekit run`: a model on photos, folders, videos, cameras or streams."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.tally import Tally, say

if TYPE_CHECKING:
    from edgekit.output.sinks import PictureSink, RowSink
    from edgekit.results import Results
    from edgekit.runtime.engine import Engine
    from edgekit.runtime.pipeline import Done
    from edgekit.runtime.session import Session
    from edgekit.runtime.sources import Source

DEFAULT_OUT = "edgekit_run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help=".bin, quantized graph, float ONNX or bundle")
    parser.add_argument(
        "--source", required=True, help="photo, folder, glob, video, camera (number, 'camera', 'mipi') or stream URL"
    )
    parser.add_argument("-o", "--out", help=f"folder for pictures and results (default: {DEFAULT_OUT}, numbered)")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that is not empty")
    parser.add_argument(
        "--device",
        default="auto",
        help="auto (what the file asks for), bpu, sim, hbdk-sim; float models: cpu, cuda, ...",
    )
    parser.add_argument("--conf", type=float, default=0.25, help="score threshold, 0..1 (default 0.25)")
    parser.add_argument("--iou", type=float, default=0.7, help="overlap threshold of the NMS, 0..1 (default 0.7)")
    parser.add_argument("--max-detections", type=int, default=300, help="objects per picture at most (default 300)")
    parser.add_argument("--names", help="class names: 'coco', or a text file with one name per line")
    parser.add_argument("--masks", default="rle", choices=("rle", "polygons", "none"), help="masks in the JSON")
    parser.add_argument("--labels", choices=("yolo", "dota"), help="also write a label file per picture to labels/")
    parser.add_argument("--coco", action="store_true", help="also write coco_results.json, as pycocotools reads it")
    parser.add_argument("--frames", type=int, help="stop after this many pictures")
    parser.add_argument("--no-pictures", action="store_true", help="write results only, draw nothing")
    parser.add_argument("--json", action="store_true", help="results as one JSON document on standard output")
    live = parser.add_argument_group("live runs")
    live.add_argument("--preview", type=int, metavar="PORT", help="show the newest picture in a browser")
    live.add_argument("--preview-host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    live.add_argument("--show", action="store_true", help="show the newest picture in a window")
    live.add_argument("--watch", action="store_true", help="take over a new version of the model file between frames")
    live.add_argument("--fallback", choices=("sim",), help="go on here, marked so, when the device stays broken")
    live.add_argument("--in-flight", type=int, default=2, help="frames given to the device at once (default 2)")


def run(args: argparse.Namespace) -> int:
    from edgekit.errors import ConfigError
    from edgekit.runtime.engine import Engine
    from edgekit.runtime.sources import open_source

    if args.in_flight < 1 or (args.frames is not None and args.frames < 1):
        raise ConfigError("--in-flight and --frames must be 1 or more", hint="leave them away for the usual")
    tally = Tally()
    session = _open(args, args.device)
    if args.labels == "dota" and session.spec.task != "obb":
        raise ConfigError(
            f"--labels dota is for rotated boxes, and this model's task is {session.spec.task!r}",
            hint="use --labels yolo",
        )
    source = open_source(args.source, on_skip=lambda error: tally.skip(error.message))
    out = _output_folder(args, source)
    for note in session.notes:
        say(f"note: {note}")
    engine = Engine(
        session,
        reopen=lambda: _open(args, args.device),
        fallback=(lambda: _open(args, args.fallback)) if args.fallback else None,
        on_event=lambda event: say(f"note: {event}"),
    )
    try:
        with _watching(args, engine):
            _run_all(args, engine, source, out, tally)
    finally:
        engine.current().close()
    if not args.json:
        print(tally.summary(out))
    return 0


def _run_all(args: argparse.Namespace, engine: Engine, source: Source, out: Path, tally: Tally) -> None:
    from edgekit.cli.console import progress_bar
    from edgekit.errors import ImageError
    from edgekit.runtime.pipeline import PipelineCounts, run_pipeline

    counts = PipelineCounts()
    total = min(source.count, args.frames) if args.frames and source.count else source.count
    with contextlib.ExitStack() as stack:
        rows = _row_sinks(args, engine.current(), source, out, stack)
        pictures = _picture_sinks(args, source, out, stack)
        exports = _export_sinks(args, out, stack)
        report = stack.enter_context(progress_bar())
        frames = stack.enter_context(
            contextlib.closing(run_pipeline(source, engine, in_flight=args.in_flight, counts=counts))
        )
        with _ending_live_runs(source):
            for done in frames:
                _deliver(done, pictures, rows, args.masks)
                for export in exports:
                    export(done.frame.name, done.results)
                tally.add(done)
                report("run", tally.pictures, total)
                if args.frames and tally.pictures >= args.frames:
                    break
        tally.dropped = counts.dropped
        if not tally.pictures:  # raised in here, so that no empty results are left behind
            raise ImageError(f"{args.source} holds no readable picture", hint="see the lines above")


def _deliver(done: Done, pictures: list[PictureSink], rows: list[RowSink], masks: str) -> None:
    start = time.perf_counter()
    if pictures:
        picture = done.results.draw(done.frame.bgr)
        for show in pictures:
            show(done.frame.name, picture)
        done.times_ms["draw"] = (time.perf_counter() - start) * 1000
    times = {stage: round(value, 3) for stage, value in done.times_ms.items()}
    for write in rows:
        write({"source": done.frame.name, **done.results.to_dict(masks=masks), "times_ms": times})


def _row_sinks(
    args: argparse.Namespace, session: Session, source: Source, out: Path, stack: contextlib.ExitStack
) -> list[RowSink]:
    """Photos give one JSON document; videos and live sources, which may be long, a line per frame."""
    from edgekit.output.document import json_document, json_file
    from edgekit.output.sinks import json_lines

    header = _header(args, session)
    if source.kind == "photos":
        sinks: list[RowSink] = [stack.enter_context(json_file(out / "results.json", header))]
    else:
        sinks = [stack.enter_context(json_lines(out / "results.jsonl", header))]
    if args.json:
        sinks.append(stack.enter_context(json_document(sys.stdout, header)))
    return sinks


def _picture_sinks(
    args: argparse.Namespace, source: Source, out: Path, stack: contextlib.ExitStack
) -> list[PictureSink]:
    from edgekit.output.sinks import picture_sink, preview_sink, video_sink, window_sink

    sinks: list[PictureSink] = []
    if not args.no_pictures:
        photos = source.kind == "photos"
        sinks.append(picture_sink(out) if photos else stack.enter_context(video_sink(out, fps=source.fps)))
    if args.preview is not None:
        ready: Callable[[str], None] = lambda url: say(f"preview: {url}")  # noqa: E731
        sinks.append(stack.enter_context(preview_sink(args.preview, host=args.preview_host, on_ready=ready)))
    if args.show:
        sinks.append(stack.enter_context(window_sink("edgekit")))
    return sinks


def _export_sinks(
    args: argparse.Namespace, out: Path, stack: contextlib.ExitStack
) -> list[Callable[[str, Results], None]]:
    from edgekit.output.coco import coco_sink
    from edgekit.output.labels_txt import label_sink

    sinks = [label_sink(out / "labels", args.labels)] if args.labels else []
    return [*sinks, stack.enter_context(coco_sink(out / "coco_results.json"))] if args.coco else sinks


@contextlib.contextmanager
def _ending_live_runs(source: Source) -> Iterator[None]:
    """Ctrl-C is how a live run ends, so its files are finished; that of a file is broken off and leaves none."""
    try:
        yield
    except KeyboardInterrupt:
        if not source.live:
            raise


@contextlib.contextmanager
def _watching(args: argparse.Namespace, engine: Engine) -> Iterator[None]:
    if not args.watch:
        yield
        return
    from edgekit.runtime.watch import ModelWatch

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

    session = load(args.model, device, conf=args.conf, iou=args.iou, max_detections=args.max_detections)
    return session if args.names is None else session.with_names(_read_names(args.names))


def _read_names(names: str) -> tuple[str, ...]:
    from edgekit.errors import ConfigError
    from edgekit.labels import COCO_NAMES

    if names == "coco":
        return COCO_NAMES
    try:
        lines = Path(names).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--names {names} cannot be read ({error})", hint="give 'coco' or a text file") from error
    return tuple(line.strip() for line in lines if line.strip())


def _output_folder(args: argparse.Namespace, source: Source) -> Path:
    from edgekit.errors import OutputError

    out = Path(args.out) if args.out else _unused(Path(DEFAULT_OUT))
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file, expected a folder", hint="give -o another name")
    folder = Path(args.source) if Path(args.source).is_dir() else Path(args.source).parent
    if source.kind == "photos" and out.resolve() == folder.resolve():
        raise OutputError(f"{out} is the source's own folder; photos would be lost", hint="give -o another folder")
    if out.is_dir() and any(out.iterdir()) and not args.overwrite:
        raise OutputError(f"{out} is not empty", hint="choose another folder with -o, or add --overwrite")
    return out


def _unused(folder: Path) -> Path:
    """`folder`, or `folder-2`, `folder-3` ... where earlier runs left theirs."""
    number, candidate = 1, folder
    while candidate.exists():
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    return candidate


def _header(args: argparse.Namespace, session: Session) -> dict[str, Any]:
    from edgekit.version import __version__

    return {
        "edgekit": __version__,
        "model": Path(args.model).name,
        "task": session.spec.task,
        "device": session.device.kind,
        "simulated": session.device.kind != "bpu",
        "conf": args.conf,
        "iou": args.iou,
        "notes": list(session.notes),
    }
