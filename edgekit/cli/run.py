"""`edgekit run`: a model on photos, folders, videos or a camera."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekit.results import Results
    from edgekit.runtime.session import Session
    from edgekit.runtime.sources import Frame, Source

DEFAULT_OUT = "edgekit_run"
STAGES = ("prepare", "infer", "decode", "draw")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help=".bin, quantized graph, float ONNX or bundle")
    parser.add_argument(
        "--source", required=True, help="photo, folder of photos, video, or camera (number or 'camera')"
    )
    parser.add_argument("-o", "--out", help=f"folder for pictures and results.json (default: {DEFAULT_OUT}, numbered)")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that is not empty")
    parser.add_argument("--device", default="auto", help="auto (what the file asks for), bpu, sim or hbdk-sim")
    parser.add_argument("--conf", type=float, default=0.25, help="score threshold, 0..1 (default 0.25)")
    parser.add_argument("--iou", type=float, default=0.7, help="overlap threshold of the NMS, 0..1 (default 0.7)")
    parser.add_argument("--max-detections", type=int, default=300, help="objects per picture at most (default 300)")
    parser.add_argument("--names", help="class names: 'coco', or a text file with one name per line")
    parser.add_argument("--masks", default="rle", choices=("rle", "polygons", "none"), help="masks in the JSON")
    parser.add_argument("--frames", type=int, help="stop after this many pictures")
    parser.add_argument("--json", action="store_true", help="results as JSON on standard output")


def run(args: argparse.Namespace) -> int:
    from edgekit.runtime.session import load
    from edgekit.runtime.sources import open_source

    skipped: list[str] = []
    session = load(args.model, args.device, conf=args.conf, iou=args.iou, max_detections=args.max_detections)
    with session:
        session = _named(session, args.names)
        source = open_source(args.source, on_skip=lambda error: _skip(skipped, error.message))
        out = _output_folder(args, source)
        header = _header(args, session)
        for note in session.notes:
            print(f"note: {note}", file=sys.stderr)
        tally = _run_all(args, session, source, out, header)
    _summary(tally, session, out, skipped, quiet=args.json)
    return 0


@dataclass(slots=True)
class _Tally:
    pictures: int = 0
    objects: int = 0
    times_ms: dict[str, list[float]] = field(default_factory=lambda: {stage: [] for stage in STAGES})


def _run_all(args: argparse.Namespace, session: Session, source: Source, out: Path, header: dict[str, Any]) -> _Tally:
    from edgekit.cli.console import progress_bar
    from edgekit.errors import ImageError
    from edgekit.output.document import json_document, json_file

    tally = _Tally()
    total = min(source.count, args.frames) if args.frames and source.count else source.count
    with contextlib.ExitStack() as stack:
        report = stack.enter_context(progress_bar())
        save = stack.enter_context(json_file(out / "results.json", header))
        show = stack.enter_context(json_document(sys.stdout, header)) if args.json else None
        write = stack.enter_context(_picture_writer(out, source))
        for frame in source.frames():
            row = _one(args, session, frame, write, tally)
            save(row)
            if show:
                show(row)
            report("run", tally.pictures, total)
            if args.frames and tally.pictures >= args.frames:
                break
        if not tally.pictures:  # raised in here, so that no empty results.json is left behind
            raise ImageError(f"{args.source} holds no readable picture", hint="see the lines above")
    return tally


def _one(
    args: argparse.Namespace, session: Session, frame: Frame, write: Callable[[Frame, Results], None], tally: _Tally
) -> dict[str, Any]:
    clock = time.perf_counter
    marks = [clock()]
    inputs, letterbox = session.prepare(frame.bgr)
    marks.append(clock())
    heads = session.infer(inputs)
    marks.append(clock())
    results = session.decode(heads, letterbox)
    marks.append(clock())
    write(frame, results)
    marks.append(clock())
    times = {stage: (b - a) * 1000 for stage, a, b in zip(STAGES, marks, marks[1:], strict=False)}
    for stage, value in times.items():
        tally.times_ms[stage].append(value)
    tally.pictures += 1
    tally.objects += len(results)
    rounded = {stage: round(value, 3) for stage, value in times.items()}
    return {"source": frame.name, **results.to_dict(masks=args.masks), "times_ms": rounded}


def _skip(skipped: list[str], message: str) -> None:
    skipped.append(message)
    print(f"skipped: {message}", file=sys.stderr)


@contextlib.contextmanager
def _picture_writer(out: Path, source: Source) -> Iterator[Callable[[Frame, Results], None]]:
    """Photos become pictures of the same name; a video or camera becomes one video."""
    from edgekit.output.writer import video_writer, write_picture

    if source.kind == "photos":
        yield lambda frame, results: _ignore(write_picture(out / frame.name, results.draw(frame.bgr)))
        return
    with contextlib.ExitStack() as stack:
        append: list[Callable[[Any], object]] = []

        def write(frame: Frame, results: Results) -> None:
            if not append:  # the size is known from the first frame on
                size_wh = (frame.bgr.shape[1], frame.bgr.shape[0])
                video = video_writer(out / "video.mp4", fps=source.fps, size_wh=size_wh)
                append.append(stack.enter_context(video))
            append[0](results.draw(frame.bgr))

        yield write


def _ignore(value: object) -> None:
    """For callbacks whose result nobody needs."""


def _output_folder(args: argparse.Namespace, source: Source) -> Path:
    from edgekit.errors import OutputError

    out = Path(args.out) if args.out else _unused(Path(DEFAULT_OUT))
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file, expected a folder", hint="give -o another name")
    if source.kind == "photos" and Path(args.source).is_dir() and out.resolve() == Path(args.source).resolve():
        raise OutputError(f"{out} is the source folder itself; its photos would be lost", hint="give -o another folder")
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


def _named(session: Session, names: str | None) -> Session:
    """The session with other class names."""
    if names is None:
        return session
    from dataclasses import replace

    from edgekit.errors import ConfigError
    from edgekit.labels import COCO_NAMES

    if names == "coco":
        given = COCO_NAMES
    else:
        try:
            lines = Path(names).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--names {names} cannot be read ({error})", hint="give 'coco' or a text file") from error
        given = tuple(line.strip() for line in lines if line.strip())
    if len(given) != session.spec.num_classes:
        raise ConfigError(
            f"--names {names} has {len(given)} names, expected {session.spec.num_classes}",
            hint="give one name per class of the model",
        )
    return type(session)(replace(session.spec, names=given), session.device, session.options, session.notes)


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


def _summary(tally: _Tally, session: Session, out: Path, skipped: list[str], *, quiet: bool) -> None:
    import statistics

    if quiet:
        return
    medians = ", ".join(f"{stage} {statistics.median(values):.1f}" for stage, values in tally.times_ms.items())
    device = {"bpu": "the BPU", "onnxruntime": "onnxruntime (float)"}.get(
        session.device.kind, "the simulated BPU: times say nothing of the board"
    )
    print(f"{tally.objects} objects in {tally.pictures} pictures on {device}")
    print(f"median ms per picture: {medians}")
    if skipped:
        print(f"{len(skipped)} pictures skipped")
    print(f"pictures and results.json are in {out}")
