"""setuptools' commands for wheels that hold compiled kernels; `setup.py` hands them over."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Command, Distribution
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.errors import SetupError

from edgekit.errors import ConfigError
from edgekit.kernels.compiler import COMPILERS, find_compiler
from edgekit.packaging.libraries import HINT, PURE, SOURCES, build_libraries, platform_tag

REQUIRED = "EDGEKIT_REQUIRE_KERNELS"  # set to anything: no wheel without kernels
LIBRARIES = "edgekit/kernels/lib"
MANUAL_FOLDER = "share/man/man1"
MAX_SHOWN = 300  # characters of what went wrong


def wheel_compiler() -> str | None:
    """Return the compiler for the wheel's kernels; None for a wheel without any.

    Raises:
        SetupError: where kernels are required and there is no compiler.
    """
    if os.environ.get(PURE):
        return None
    compiler = find_compiler()
    if compiler is None and os.environ.get(REQUIRED):
        raise SetupError(f"no C compiler (looked for {os.environ.get('CC') or ', '.join(COMPILERS)}); {HINT}")
    return compiler


class BuildPy(build_py):
    """Copy the modules into a clean folder, and the kernels' libraries beside them."""

    def run(self) -> None:
        """Build; an editable install gets no libraries, since its kernels are compiled at first use."""
        if self.editable_mode:
            super().run()
            return
        shutil.rmtree(Path(self.build_lib) / "edgekit", ignore_errors=True)  # what an earlier version left
        super().run()
        self._add_manual()
        compiler = wheel_compiler()
        if compiler is None:
            self.warn("no compiled kernels in this wheel: they are compiled at first use, where a C compiler is")
            return
        try:
            for name in SOURCES:
                build_libraries(name, compiler, Path(self.build_lib) / LIBRARIES)
        except ConfigError as error:
            raise SetupError(f"{error.message}; {error.hint}") from error

    def _add_manual(self) -> None:
        """Have the man page installed; without argparse-manpage there is none."""
        page = Path(self.build_lib).absolute().parent / "man" / "edgekit.1"
        command = [sys.executable, "-m", "edgekit.cli.manual", str(page)]  # a process: packaging is below the commands
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            self.warn(f"no man page in this wheel: {done.stderr.strip()[-MAX_SHOWN:]}")
            return
        self.distribution.data_files = [*(self.distribution.data_files or []), (MANUAL_FOLDER, [str(page)])]


class KernelDistribution(Distribution):
    """A distribution for one platform where its wheel holds compiled kernels."""

    def has_ext_modules(self) -> bool:
        """Whether files go where a platform's own lie (platlib), not where those for every platform do."""
        return wheel_compiler() is not None


class BdistWheel(bdist_wheel):
    """Tag the wheel by what its kernels run on: they are loaded by ctypes, so by every version of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        """Return the tags of Python, ABI and platform."""
        compiler = wheel_compiler()
        if compiler is None or self.plat_name_supplied:
            platform = str(self.plat_name) if self.plat_name_supplied else "any"
        else:
            platform = platform_tag(compiler)
        return "py3", "none", platform.replace("-", "_").replace(".", "_")


COMMANDS: dict[str, type[Command]] = {"build_py": BuildPy, "bdist_wheel": BdistWheel}
