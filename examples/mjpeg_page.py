"""The live image on a page, by the standard library alone: python examples/mjpeg_page.py MODEL SOURCE [PORT].

Open the address that it prints. Viewers never slow the run down: one that is slow misses frames. To let other computers
in, name what they ask for: Preview(port, host="0.0.0.0", names=["robot.local"]).
"""

from __future__ import annotations

import sys
from contextlib import closing

import edgekit
from edgekit.output import Preview
from edgekit.runtime import RecoveringSession, open_source, run_pipeline


def main(model: str, source: str, port: str = "8080") -> None:
    """Serve the newest annotated image until the source ends."""
    with edgekit.load(model) as session, closing(Preview(int(port))) as preview:
        print(preview.url, flush=True)
        for done in run_pipeline(open_source(source), RecoveringSession(session)):
            preview.show(done.results.draw(done.frame.bgr))


if __name__ == "__main__":
    main(*sys.argv[1:])
