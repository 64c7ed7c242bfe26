"""Who crosses a line: python examples/count_crossings.py MODEL VIDEO.

The line runs across the middle of the image, from left to right: whoever crosses it upwards goes in.
"""

from __future__ import annotations

import sys

import edgekit
from edgekit.runtime import open_source
from edgekit.tracking import Line, Tracker


def main(model: str, video: str) -> None:
    """Track every object, print each crossing and the totals."""
    door = Line("door", (0.0, 0.5), (1.0, 0.5), relative=True)
    tracker = Tracker(shapes=[door], anchor="centre")
    with edgekit.load(model, conf=tracker.options.low_score) as session:  # low scores continue tracks
        for number, frame in enumerate(open_source(video).frames()):
            _, events = tracker.update(session.predict(frame.bgr), frame.bgr, number)
            for event in events:
                print(f"frame {number}: {event.name} {event.track_id} went {event.direction}")
    print(f"in {tracker.counts.total('door', 'in')}, out {tracker.counts.total('door', 'out')}")


if __name__ == "__main__":
    main(*sys.argv[1:])
