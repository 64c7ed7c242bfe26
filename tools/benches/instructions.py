"""Instructions of aarch64 that decoding takes, compiled and by numpy, counted by a plugin of QEMU.

They are no times: a board's core runs several at once and waits for memory. They do not depend on this machine, though,
and are the same on every run but for a few thousand of the interpreter's.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benches.aarch64_root import build_package, guest_command, guest_environment, make_root
from benches.heads import ROOT, Scene, crowded, float_scenes
from edgekit.spec import save_spec

FOLDER = Path(__file__).resolve().parent
MANY = 300
MARK = re.compile(r"^mark (\d+) (\d+)$", re.MULTILINE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, default=Path(tempfile.gettempdir()) / "edgekit-aarch64", metavar="FOLDER")


def run(args: argparse.Namespace) -> dict[str, float]:
    """Print millions of instructions; return them and their ratios to one max pass over the class tensors."""
    scene = float_scenes(1)[0]
    frames = {f"image of {_count(scene)} objects": scene, f"{MANY} small objects": crowded(scene, MANY)}
    counts = count_instructions(make_root(args.root), frames)
    values: dict[str, float] = {}
    for name, count in counts.items():
        frame, way = name.split(": ", 1)
        ratio = count / counts[f"{frame}: max"]
        print(f"  {name:50s} {count / 1e6:8.2f} million  {ratio:6.2f} max passes")
        values |= {f"{name}, million": count / 1e6, f"{frame}: {way} / max": ratio}
    return values


def count_instructions(root: Path, frames: Mapping[str, Scene]) -> dict[str, int]:
    """Return the instructions of each way of decoding, by "FRAME: WAY"; see `marked_decode.py` for the ways."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        plugin = folder / "count_marks.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", str(FOLDER / "count_marks.c"), "-o", str(plugin)], check=True)
        build_package(ROOT, folder / "package")
        scene = next(iter(frames.values()))
        save_spec(folder / "model.json", scene.spec)
        for index, frame in enumerate(frames.values()):
            np.savez(folder / f"{index}.npz", allow_pickle=False, **frame.heads)
        size = map(str, scene.letterbox.source_wh)
        done = subprocess.run(
            [*guest_command(root, plugin), str(FOLDER / "marked_decode.py"), str(folder), *size],
            env=guest_environment(root, folder / "package"),
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise SystemExit(f"error: decoding below QEMU ended with {done.returncode}\n{done.stderr[-2000:]}")
    marks = {int(number): int(count) for number, count in MARK.findall(done.stderr)}
    nothing, *spent = (marks[2 * i + 1] - marks[2 * i] for i in range(len(marks) // 2))
    titles = list(frames)
    ways = [line.partition(": ") for line in done.stdout.splitlines()[1:]]
    return {f"{titles[int(i)]}: {way}": count - nothing for (i, _, way), count in zip(ways, spent, strict=True)}


def _count(scene: Scene) -> int:
    from edgekit.decode import Decoder

    return len(Decoder(scene.spec)(scene.heads, scene.letterbox))
