"""Where the results of `edgekit run` go: the folder, the names in it, and what writes them."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.run_delivery import chosen_encoder
from edgekit.cli.run_summary import say
from edgekit.files import is_file, is_folder, resolved
from edgekit.output.names import numbered

if TYPE_CHECKING:
    from edgekit.cli.run_tracking import RunTracking
    from edgekit.output.folder import RunFolder
    from edgekit.output.names import OutputNames
    from edgekit.output.sinks import ImageSink, RowSink
    from edgekit.results import Results
    from edgekit.runtime.session import Session
    from edgekit.runtime.sources import Source

DEFAULT_OUTPUT = "edgekit_run"
COCO_NAME = "coco_results.json"
ROWS_NAME = "results.jsonl"  # of videos and live sources


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the results go, and what those of each frame are called."""

    folder: RunFolder
    names: OutputNames


def output_folder(args: argparse.Namespace, source: Source) -> Path:
    """Return the folder of a run's outputs: the requested one, or the first unused default."""
    from edgekit.errors import OutputError

    out = Path(args.output) if args.output else _unused(Path(DEFAULT_OUTPUT))
    folder = Path(args.source) if is_folder(Path(args.source)) else Path(args.source).parent
    if source.kind == "images" and is_folder(out) and resolved(out) == resolved(folder):
        raise OutputError(f"{out} is the source's own folder; images would be lost", hint="give -o another folder")
    return out


def _unused(folder: Path) -> Path:
    """`folder`, or `folder-2`, `folder-3` ... where earlier runs left theirs."""
    number, candidate = 1, folder
    while candidate.exists():
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    return candidate


def row_sinks(
    args: argparse.Namespace,
    session: Session,
    source: Source,
    out: Outputs,
    stack: contextlib.ExitStack,
    tracking: RunTracking | None = None,
) -> list[RowSink]:
    """Images give one JSON document; videos and live sources, which may be long, a line per frame."""
    from edgekit.output.document import json_document, json_file
    from edgekit.output.sinks import json_lines

    header = _header(args, session)
    # standard output first, so that it ends last: where its reader has gone, the files are whole
    sinks: list[RowSink] = [stack.enter_context(json_document(sys.stdout, header))] if args.json else []
    name = _rows_name(args, source, out.folder.folder)
    if tracking and source.kind != "images":
        return [_journal(name, header, out, stack, tracking), *sinks]
    write_rows = json_file if source.kind == "images" else json_lines
    return [stack.enter_context(write_rows(out.folder.take(name), header)), *sinks]


def _journal(
    name: str, header: dict[str, Any], out: Outputs, stack: contextlib.ExitStack, tracking: RunTracking
) -> RowSink:
    """The rows of a run with a tracker, which may be resumed."""
    from edgekit.cli.run_tracking import STATE_NAME
    from edgekit.output.journal import journal_lines, journal_name

    out.folder.take(journal_name(name))
    journal = stack.enter_context(journal_lines(out.folder.take(name), header, kept_bytes=tracking.kept_bytes))
    tracking.save_to(out.folder.take(STATE_NAME), journal)
    return journal.write


def image_sinks(args: argparse.Namespace, source: Source, out: Outputs, stack: contextlib.ExitStack) -> list[ImageSink]:
    """Open what takes the annotated images: files or a video, the preview, a window."""
    from edgekit.output.sinks import VIDEO_NAME, image_sink, preview_sink, video_sink, window_sink

    sinks: list[ImageSink] = []
    if not args.no_images:
        if source.kind == "images":
            sinks.append(image_sink(out.folder, out.names))
        else:
            first = _first_unused(VIDEO_NAME, out.folder.folder) if args.resume else 1
            encoder = chosen_encoder(args.codec)
            sinks.append(stack.enter_context(video_sink(out.folder, fps=source.fps, first=first, encoder=encoder)))
    if args.preview is not None:
        ready: Callable[[str], None] = lambda url: say(f"preview: {url}")  # noqa: E731
        sinks.append(stack.enter_context(preview_sink(args.preview, names=args.preview_host, on_ready=ready)))
    if args.show:
        sinks.append(stack.enter_context(window_sink("edgekit")))
    return sinks


def export_sinks(
    args: argparse.Namespace, session: Session, out: Outputs, stack: contextlib.ExitStack
) -> list[Callable[[str, Results], None]]:
    """Open what takes the results besides JSON: COCO results, label files, maps, and the arrays of raw models."""
    from edgekit.output.arrays_npz import array_sink
    from edgekit.output.coco import coco_sink
    from edgekit.output.labels_txt import label_sink
    from edgekit.output.maps import map_sink

    sinks = [array_sink(out.folder, out.names)]
    if kind := map_format(args, session):
        sinks.append(map_sink(out.folder, out.names, kind))
    if args.labels:
        sinks.append(label_sink(out.folder, out.names, args.labels))
    return [*sinks, stack.enter_context(coco_sink(out.folder.take(COCO_NAME), out.names))] if args.coco else sinks


def map_format(args: argparse.Namespace, session: Session) -> str:
    """Return how maps are written, "" for not at all: those of depth, which no JSON holds, as PNG by default."""
    if session.spec.task not in ("semantic", "depth"):
        return ""
    automatic = "png" if session.spec.task == "depth" else ""
    return {"auto": automatic, "none": ""}.get(args.maps, str(args.maps))


def _rows_name(args: argparse.Namespace, source: Source, folder: Path) -> str:
    if source.kind == "images":
        return "results.json"
    resumed = args.resume and source.live  # a camera's rows so far are complete
    return numbered(ROWS_NAME, _first_unused(ROWS_NAME, folder) if resumed else 1)


def _first_unused(name: str, folder: Path) -> int:
    """The first number under which `name` is not there yet."""
    return next(n for n in itertools.count(1) if not os.path.lexists(folder / numbered(name, n)))


def planned_outputs(
    args: argparse.Namespace, session: Session, source: Source, names: OutputNames, folder: Path
) -> list[str]:
    """The outputs that are known before the run, relative to its folder."""
    from edgekit.output.labels_txt import LABELS_FOLDER
    from edgekit.output.maps import map_file
    from edgekit.output.sinks import VIDEO_NAME

    planned = [_rows_name(args, source, folder), *([COCO_NAME] if args.coco else [])]
    if args.labels:
        planned += [f"{LABELS_FOLDER}/{names.label(name)}" for name in source.names]
    if kind := map_format(args, session):
        planned += [map_file(names, name, kind) for name in source.names]
    if args.no_images:
        return planned
    if source.kind == "images":
        return planned + [names.image(name) for name in source.names]
    return [*planned, numbered(VIDEO_NAME, _first_unused(VIDEO_NAME, folder) if args.resume else 1)]


def input_files(args: argparse.Namespace, source: Source) -> list[Path]:
    """What this call reads, so that none of it is written."""
    from edgekit.spec import sidecar_path

    model = Path(args.model)
    parts = [path for path in model.rglob("*") if path.is_file()] if is_folder(model) else []
    named = [Path(name) for name in (args.source, args.names) if name and is_file(Path(name))]
    return [*source.files, model, sidecar_path(model), *parts, *named]


def _header(args: argparse.Namespace, session: Session) -> dict[str, Any]:
    from edgekit.records import envelope

    return {
        **envelope("run"),
        "model": Path(args.model).name,
        "task": session.spec.task,
        "device": session.device.kind,
        "simulated": session.device.kind != "bpu",
        "conf": args.conf,
        "iou": args.iou,
        "notes": list(session.notes),
    }
