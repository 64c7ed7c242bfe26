"""Wheels as a user gets them: kernels inside, loaded without a compiler, also cross-built and without any kernels."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from edgekit.kernels.compiler import find_compiler
from edgekit.kernels.levels import LEVELS, library_name, machine_name
from edgekit.packaging.board_libraries import BOARD_MACHINE
from edgekit.packaging.libraries import PURE, SOURCES, target_machine
from edgekit.packaging.runtime_wheel import write_runtime_wheel
from tests.conftest import ROOT

pytestmark = pytest.mark.slow
CROSS = shutil.which("aarch64-linux-gnu-gcc")
COPIED = ("edgekit", "board", "setup.py", "pyproject.toml", "README.md", "LICENSE")
PROBE = """
from edgekit.kernels.decoding import decode_kernels
from edgekit.kernels import shipped
from edgekit.sim.fast.build import kernels
import sys
for name, built in (("bpu", kernels()), ("decode", decode_kernels())):
    assert built.library is not None, built.reason
    (path,) = shipped.shipped_libraries(name)[:1]
    assert built.library._name == str(path), (built.library._name, path)
    print(path.name)
"""


def build(folder: Path, **environment: str) -> Path:
    """A wheel of this checkout, built in a copy."""
    copy = folder / "checkout"
    copy.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, copy / name, ignore=ignore) if source.is_dir() else shutil.copy(source, copy)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(copy)]
    subprocess.run(command, check=True, env={**os.environ, **environment})
    (wheel,) = folder.glob("*.whl")
    return wheel


def libraries(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {Path(name).name for name in archive.namelist() if name.startswith("edgekit/kernels/lib/")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_compiler() is None:
        pytest.skip("no C compiler")
    return build(tmp_path_factory.mktemp("native"))


def test_a_wheel_holds_kernels_of_every_instruction_set_of_its_machine(wheel: Path) -> None:
    machine = target_machine(str(find_compiler()))
    assert wheel.name.startswith("edgekit_rdk-") and "-py3-none-" in wheel.name and wheel.name.endswith("64.whl")
    expected = {library_name(name, machine, level.name) for name in SOURCES for level in LEVELS[machine]}
    assert libraries(wheel) == expected


def test_an_empty_environment_without_a_compiler_runs_the_demo(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    # cv2 without a desktop: the same interface, where a machine has no libGL
    packages = [f"{wheel}[host]", "opencv-python-headless"]
    subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
    (tmp_path / "bin").mkdir()
    environment = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run([str(python), "-c", PROBE], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for level in ("baseline", "avx2") if machine_name("x86_64") in done.stdout else ():
        limited = {**environment, "EDGEKIT_KERNEL_LEVEL": level}
        named = subprocess.run([str(python), "-c", PROBE], cwd=tmp_path, env=limited, capture_output=True, text=True)
        assert named.returncode == 0, named.stderr
    command = [str(tmp_path / "env" / "bin" / "edgekit"), "demo", "-o", "out"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert any((tmp_path / "out").rglob("*.jpg")) or any((tmp_path / "out").rglob("*.png"))
    assert not (tmp_path / "cache" / "edgekit").exists()  # nothing was compiled


@pytest.mark.skipif(CROSS is None, reason="no aarch64-linux-gnu-gcc (apt install gcc-aarch64-linux-gnu)")
def test_a_cross_compiler_builds_the_wheel_of_its_machine(tmp_path: Path) -> None:
    wheel = build(tmp_path, CC=str(CROSS))
    assert wheel.name.endswith("-py3-none-linux_aarch64.whl")
    assert libraries(wheel) == {library_name(name, "aarch64", "baseline") for name in SOURCES}


def test_a_wheel_without_kernels_is_for_every_platform(tmp_path: Path) -> None:
    wheel = build(tmp_path, **{PURE: "1"})
    assert wheel.name.endswith("-py3-none-any.whl") and not libraries(wheel)


@pytest.mark.skipif(CROSS is None, reason="no aarch64-linux-gnu-gcc (apt install gcc-aarch64-linux-gnu)")
def test_the_boards_wheel_holds_its_kernels(tmp_path: Path) -> None:
    wheel = write_runtime_wheel(tmp_path)
    assert wheel.name.startswith("edgekit_rdk_runtime-") and wheel.name.endswith(f"-py3-none-linux_{BOARD_MACHINE}.whl")
    assert libraries(wheel) == {library_name("decode", BOARD_MACHINE, "baseline")}
