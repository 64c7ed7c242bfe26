"""The kernels' libraries: they compile where a compiler is, and nothing doubtful is ever loaded from a cache."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.kernels.cache import cache_folder
from edgekit.kernels.compiler import find_compiler, processor
from edgekit.kernels.library import EXTRA_FLAGS, OFF, compile_kernels, load_kernels
from edgekit.sim.fast.build import bpu_source, kernels
from edgekit.sim.fast.structs import ConvParams, layout_checks
from tests.conftest import KERNELS_REQUIRED

COMPILER = find_compiler()
QUICK = ("-O0",)  # where it matters what is kept, not how fast it runs

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler on PATH")


def test_the_kernels_compile_wherever_a_compiler_is() -> None:
    if not os.environ.get(KERNELS_REQUIRED) and (COMPILER is None or os.environ.get(OFF)):
        pytest.skip(f"no C compiler on PATH, or {OFF} is set")
    assert kernels().library is not None, kernels().reason


@needs_compiler
def test_a_field_that_python_lays_out_otherwise_does_not_compile(tmp_path: Path) -> None:
    assert COMPILER is not None
    right = layout_checks()
    assert f"offsetof(ConvParams, threads) == {ConvParams.threads.offset}" in right
    swapped = right.replace("offsetof(ConvParams, relu)", "offsetof(ConvParams, MARK)").replace(
        "offsetof(ConvParams, bits)", "offsetof(ConvParams, relu)"
    )
    source = replace(bpu_source(), layout_checks=swapped.replace("MARK", "bits"))
    built = compile_kernels(source, COMPILER, [()], tmp_path)
    assert built.library is None and "ConvParams.relu" in built.reason


@needs_compiler
@pytest.mark.parametrize("damage", ["cut off", "another library", "others may write"])
def test_a_library_that_changed_since_it_was_built_is_built_again(tmp_path: Path, damage: str) -> None:
    assert COMPILER is not None
    assert compile_kernels(bpu_source(), COMPILER, [QUICK], tmp_path).library is not None
    (kept,) = tmp_path.glob("*.so")
    data = kept.read_bytes()
    if damage == "others may write":
        kept.chmod(0o777)
    else:
        kept.unlink()  # a new file: the one that this process has mapped stays whole
        kept.write_bytes(data[: len(data) // 2] if damage == "cut off" else data[:-1] + b"x")
    code = (
        "import sys; from pathlib import Path; from edgekit.sim.fast.build import bpu_source; "
        "from edgekit.kernels.library import compile_kernels; "
        "sys.exit(compile_kernels(bpu_source(), sys.argv[1], [('-O0',)], Path(sys.argv[2])).library is None)"
    )
    subprocess.run([sys.executable, "-c", code, COMPILER, str(tmp_path)], check=True)
    (again,) = tmp_path.glob("*.so")
    assert again.read_bytes() == data and not again.stat().st_mode & stat.S_IWOTH


def test_only_a_folder_of_ones_own_is_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = cache_folder()
    assert folder == tmp_path / "edgekit" / "kernels" and folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert cache_folder() != folder
    folder.rmdir()
    other = tmp_path / "other"
    other.mkdir()
    folder.symlink_to(other)
    assert cache_folder() != folder


def test_a_folder_on_an_open_way_is_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tmp_path / "open"
    base.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(base))
    base.chmod(0o777)
    folder = cache_folder()
    assert not folder.is_relative_to(base) and folder.stat().st_mode & 0o777 == 0o700
    base.chmod(0o1777)  # sticky: only the owner renames what lies there
    assert cache_folder() == base / "edgekit" / "kernels"


@pytest.mark.parametrize("home", ["", "none"])
def test_a_process_without_home_and_cache_has_its_kernels_and_leaves_nothing(tmp_path: Path, home: str) -> None:
    if COMPILER is None:
        pytest.skip("no C compiler on PATH")
    code = (
        "import os, pwd\n"
        "def unknown(uid): raise KeyError(uid)\n"
        "pwd.getpwuid = unknown\n"
        "from edgekit.kernels.cache import cache_folder\n"
        "from edgekit.kernels.library import compile_kernels\n"
        "from edgekit.sim.fast.build import bpu_source\n"
        "import sys; print(cache_folder())\n"
        "sys.exit(compile_kernels(bpu_source(), sys.argv[1], [('-O0',)]).library is None)"
    )
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "XDG_CACHE_HOME")}
    environment |= {"TMPDIR": str(tmp_path)} | ({"HOME": home} if home else {})  # a relative home is none, too
    command = [sys.executable, "-c", code, COMPILER]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path)) and list(tmp_path.iterdir()) == []


def test_flags_that_cannot_be_split_are_a_reason_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(EXTRA_FLAGS, "-DNAME='open")
    monkeypatch.delenv(OFF, raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: "cc")
    built = load_kernels(bpu_source())
    assert built.library is None and EXTRA_FLAGS in built.reason


def test_a_relative_cache_folder_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "edgekit" / "kernels"
    assert not (tmp_path / "cache").exists()


def test_without_a_home_a_private_folder_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    folder = cache_folder()
    assert folder.is_dir() and folder.stat().st_mode & 0o777 == 0o700


def test_the_key_holds_the_features_of_x86_and_of_aarch64(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: A\nflags\t\t: sse avx2\ncpu MHz\t: 800.1\n" * 2)
    assert "flags\t\t: sse avx2" in processor(cpuinfo) and "MHz" not in processor(cpuinfo)
    arm = "processor\t: 0\nBogoMIPS\t: 48.00\nFeatures\t: fp asimd {}\nCPU implementer\t: 0x41\nCPU part\t: 0xd05\n"
    cpuinfo.write_text(arm.format("crc32"))
    first = processor(cpuinfo)
    cpuinfo.write_text(arm.format("crc32 asimddp"))
    assert first != processor(cpuinfo) and "0xd05" in first
    assert processor(tmp_path / "none")
