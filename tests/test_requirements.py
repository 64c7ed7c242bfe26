"""The versions that the project declares are those that the code knows."""

from __future__ import annotations

import re

from edgekit.requirements import MIN_PACKAGES, MIN_PYTHON, PIP_REQUIREMENTS, PYTHON_REQUIRES
from tests.conftest import ROOT


def test_pyproject_declares_the_same_versions() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert f'requires-python = "{PYTHON_REQUIRES}"' in text
    dependencies = re.findall(r'"([^"]+)"', re.search(r"^dependencies = \[(.*?)\]", text, re.M | re.S)[1])  # type: ignore[index]
    assert set(PIP_REQUIREMENTS) <= set(dependencies)


def test_what_runs_is_no_newer_than_what_pip_installs() -> None:
    assert f">={'.'.join(map(str, MIN_PYTHON))}" == PYTHON_REQUIRES
    installed = dict(requirement.split(">=") for requirement in PIP_REQUIREMENTS)
    for module, package in (("numpy", "numpy"), ("cv2", "opencv-python")):
        assert MIN_PACKAGES[module] <= tuple(int(part) for part in installed[package].split("."))
