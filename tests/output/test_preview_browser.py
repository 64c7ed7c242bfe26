"""The preview page in a real headless browser."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.output.preview import Preview

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=400,400 --timeout=2500"
).split()


def screenshot(url: str, folder: Path, name: str) -> np.ndarray:
    path = folder / f"{name}.png"
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={folder / name}", f"--screenshot={path}", url]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR))


@pytest.mark.skipif(BROWSER is None, reason="no chromium here")
def test_the_page_shows_moving_images(tmp_path: Path) -> None:
    preview = Preview(0)
    ended = threading.Event()

    def show_growing_bars() -> None:
        for step in itertools.count():
            image = np.full((200, 300, 3), 40, np.uint8)
            image[:, : 1 + (step * 7) % 290] = (0, 200, 0)
            preview.show(image)
            if ended.wait(0.05):
                return

    thread = threading.Thread(target=show_growing_bars)
    thread.start()
    try:
        shots = [screenshot(preview.url, tmp_path, f"shot{i}") for i in range(3)]
    finally:
        ended.set()
        thread.join()
        preview.close()
    green = [int((np.abs(shot.astype(int) - (0, 200, 0)).max(axis=2) < 25).sum()) for shot in shots]
    assert min(green) > 0
    assert len(set(green)) > 1
