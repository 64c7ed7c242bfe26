"""`edgekit replay`: a recording of `edgekit run --record`, decoded again here and compared bit for bit."""

from __future__ import annotations

import argparse
import contextlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.console import print_json
from edgekit.cli.options import add_device, add_json, add_output, add_overwrite
from edgekit.cli.run_summary import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekit.runtime.device import Tensors
    from edgekit.runtime.recording import RecordedFrame, Recording
    from edgekit.runtime.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("recording", help="the folder that edgekit run --record filled")
    parser.add_argument("--model", help="also infer here with this model, and compare its heads with the recorded ones")
    add_device(parser)
    add_output(parser, "file for the results, a JSON line per frame", metavar="FILE")
    add_overwrite(parser)
    add_json(parser)


@dataclass(slots=True)
class Replay:
    """What a replay found.

    Attributes:
        device: What computed the recorded heads.
        frames: Frames replayed.
        equal_inputs: Frames whose input, prepared here, is what the device got.
        here: What computed heads here; empty where nothing did.
        equal_heads: Frames whose heads are all equal to the last bit.
        differing: Head -> how many of its numbers differ over all frames, and the largest difference.
    """

    device: str
    frames: int = 0
    equal_inputs: int = 0
    here: str = ""
    equal_heads: int = 0
    differing: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def all_equal(self) -> bool:
        """Whether inputs, and heads where they were computed, are the same in every frame."""
        return self.equal_inputs == self.frames and (not self.here or self.equal_heads == self.frames)

    def lines(self) -> list[str]:
        """Return the report as text."""
        lines = [
            f"{self.frames} frames, recorded on {self.device}",
            f"inputs prepared here: {self.equal_inputs} of {self.frames} are what the device got",
        ]
        if self.here:
            lines.append(f"heads computed here ({self.here}): {self.equal_heads} of {self.frames} frames are equal")
            for name, counts in self.differing.items():
                lines.append(f"  {name}: {counts['count']:.0f} numbers differ, by {counts['largest']:g} at most")
        return lines


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code: 1 where anything differs."""
    from edgekit.cli.console import progress_bar
    from edgekit.files import refuse_replacing
    from edgekit.runtime.recording import open_recording, recorded_session

    recording = open_recording(Path(args.recording))
    outputs = [Path(args.output)] if args.output else []
    refuse_replacing(outputs, inputs=recording.paths, overwrite=args.overwrite)
    replay = Replay(recording.device)
    session = recorded_session(recording)
    with contextlib.ExitStack() as stack:
        live = stack.enter_context(_model(args, recording)) if args.model else None
        replay.here = live.device.kind if live else ""
        write = stack.enter_context(_rows(args, recording))
        report = stack.enter_context(progress_bar())
        for number, frame in enumerate(recording.frames(), start=1):
            _replay_frame(frame, session, live, replay, write)
            report("replay", number, len(recording.paths))
    if args.json:
        print_json("replay", {**asdict(replay), "equal": replay.all_equal})
    else:
        print("\n".join(replay.lines()))
    return 0 if replay.all_equal else 1


def _replay_frame(frame: RecordedFrame, session: Session, live: Session | None, replay: Replay, write: Any) -> None:
    inputs, letterbox = session.prepare(frame.bgr)
    replay.frames += 1
    replay.equal_inputs += frame.same_input(inputs)
    write({"source": frame.name, "number": frame.number, **session.decode(frame.heads, letterbox).to_dict()})
    if live is not None:
        replay.equal_heads += _compare(frame.heads, live.infer(inputs), replay)


def _compare(recorded: Tensors, computed: Tensors, replay: Replay) -> bool:
    """Compare all heads of a frame; what differs is added to the replay."""
    import numpy as np

    equal = True
    for name, array in recorded.items():
        if np.array_equal(array, computed[name], equal_nan=array.dtype.kind == "f"):
            continue
        equal = False
        difference = np.abs(array.astype(np.float64) - computed[name])
        counts = replay.differing.setdefault(name, {"count": 0, "largest": 0.0})
        counts["count"] += int(np.count_nonzero(difference))
        counts["largest"] = max(counts["largest"], float(np.nanmax(difference)))
    return equal


@contextlib.contextmanager
def _model(args: argparse.Namespace, recording: Recording) -> Iterator[Session]:
    """The model that infers here; refused where it has not the recorded outputs."""
    from edgekit.errors import ModelError
    from edgekit.runtime.session import load

    with load(args.model, args.device) as session:
        here, there = ({head.name: head.shape for head in s.outputs} for s in (session.spec, recording.spec))
        if here != there:
            raise ModelError(
                f"the outputs of {args.model} ({', '.join(here)}) have not the names and shapes of those that were "
                f"recorded ({', '.join(there)})",
                hint="give the model that was recorded",
            )
        for note in session.notes:
            say(f"note: {note}")
        yield session


@contextlib.contextmanager
def _rows(args: argparse.Namespace, recording: Recording) -> Iterator[Any]:
    from edgekit.output.sinks import json_lines
    from edgekit.records import envelope

    if not args.output:
        yield lambda row: None
        return
    header = {**envelope("run"), "recording": Path(args.recording).name, "device": recording.device}
    with json_lines(Path(args.output), header) as write:
        yield write
