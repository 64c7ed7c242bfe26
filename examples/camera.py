"""A live source through a model, the stages side by side: python examples/camera.py MODEL SOURCE [FRAMES].

SOURCE is what `edgekit run --source` takes: camera, a number, mipi on the board, rtsp://..., a video, a folder.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing
from itertools import islice

import edgekit
from edgekit.runtime import RecoveringSession, open_source, run_pipeline


def main(model: str, source: str, frames: str = "100") -> None:
    """Print what every frame shows, and the frames per second at the end."""
    with edgekit.load(model) as session:
        engine = RecoveringSession(session)
        started, count = time.perf_counter(), 0
        with closing(run_pipeline(open_source(source), engine, in_flight=2)) as pipeline:  # ends its threads
            for done in islice(pipeline, int(frames)):
                count += 1
                labels = ", ".join(sorted(set(done.results.labels))) or "nothing"
                print(f"{done.frame.name}: {len(done.results)} objects ({labels})")
    print(f"{count / (time.perf_counter() - started):.1f} frames/s")


if __name__ == "__main__":
    main(*sys.argv[1:])
