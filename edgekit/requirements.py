"""The versions that edgekit needs, once: what runs on a board, and what pip installs."""

from __future__ import annotations

__all__ = ["MIN_PACKAGES", "MIN_PYTHON", "PIP_REQUIREMENTS", "PYTHON_REQUIRES"]

MIN_PYTHON = (3, 10)  # RDK OS 3 brings it
MIN_PACKAGES = {
    "numpy": (1, 26),
    "cv2": (4, 5),
}  # by import name; RDK OS brings OpenCV 4.5
PYTHON_REQUIRES = ">=3.10"
PIP_REQUIREMENTS = ("numpy>=1.26", "opencv-python>=4.8")  # the oldest wheels that pip still finds for every Python
