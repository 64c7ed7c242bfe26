"""The plugin that counts instructions below QEMU: a loop of known length, between marks.

apt install gcc-aarch64-linux-gnu qemu-user
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

CROSS_COMPILER, COMPILER, QEMU = (shutil.which(name) for name in ("aarch64-linux-gnu-gcc", "gcc", "qemu-aarch64"))
PLUGIN = ROOT / "tools" / "benches" / "count_marks.c"
MARK = re.compile(r"^mark (\d+) (\d+)$", re.MULTILINE)
PROGRAM = r"""
#include <sys/resource.h>

static void turn(long turns) {
    __asm__ volatile("1: subs %0, %0, #1\n\tb.ne 1b" : "+r"(turns) : : "cc");
}

int main(void) {
    const long turns[] = {1, 1000, 50000};
    for (int i = 0; i < 3; i++) {
        getpriority(PRIO_PROCESS, 2000000000 + 2 * i);
        turn(turns[i]);
        getpriority(PRIO_PROCESS, 2000000000 + 2 * i + 1);
    }
    return 0;
}
"""


@pytest.mark.slow
@pytest.mark.skipif(not (CROSS_COMPILER and COMPILER and QEMU), reason="no gcc, aarch64-linux-gnu-gcc or qemu-aarch64")
def test_a_loop_of_two_instructions_counts_two_per_turn(tmp_path: Path) -> None:
    plugin, program = tmp_path / "count_marks.so", tmp_path / "program"
    (tmp_path / "program.c").write_text(PROGRAM)
    strict = ("-O2", "-Wall", "-Wextra", "-Werror")
    subprocess.run([str(COMPILER), "-shared", "-fPIC", *strict, str(PLUGIN), "-o", str(plugin)], check=True)
    subprocess.run([str(CROSS_COMPILER), "-static", "-O2", str(tmp_path / "program.c"), "-o", str(program)], check=True)
    done = subprocess.run([str(QEMU), "-plugin", str(plugin), str(program)], capture_output=True, text=True, check=True)
    marks = {int(number): int(count) for number, count in MARK.findall(done.stderr)}
    assert sorted(marks) == list(range(6))
    one, thousand, many = (marks[2 * i + 1] - marks[2 * i] for i in range(3))
    assert thousand - one == 2 * 999
    assert many - thousand == 2 * 49000
