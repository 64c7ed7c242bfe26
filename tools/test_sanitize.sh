#!/bin/sh
# Builds the kernels with AddressSanitizer, UndefinedBehaviorSanitizer and their own asserts, and runs everything that
# enters them: the kernel and operator tests, and graphs that want to hurt.
set -eu
cd "$(dirname "$0")/.."
BIN=${BIN:-.venv/bin}
CC=${CC:-gcc}
RUNTIME=$("$CC" -print-file-name=libasan.so)
if [ ! -e "$RUNTIME" ]; then
    echo "no AddressSanitizer runtime for $CC: install gcc, or set CC" >&2
    exit 1
fi
# -g1: lines in reports, which --capture=sys leaves on the terminal. Leaks of the interpreter are not ours; the frames' own arrays are watched all the same.
export EDGEKIT_KERNEL_FLAGS="-O1 -g1 -DEDGEKIT_CHECK -fsanitize=address,undefined -fno-sanitize-recover=all"
export EDGEKIT_REQUIRE_KERNELS=1
export CC
# libstdc++ comes along: without it at start-up, AddressSanitizer ends the process at onnx's first C++ exception.
export LD_PRELOAD="$RUNTIME $("$CC" -print-file-name=libstdc++.so.6)"
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1
export UBSAN_OPTIONS=print_stacktrace=1
exec "$BIN/python" -m pytest -q -n auto --dist loadscope --capture=sys -p no:cacheprovider tests/kernels tests/sim/fast tests/sim/ops tests/sim/test_budget.py \
    tests/sim/test_hostile_graphs.py tests/sim/test_graph_names.py tests/sim/test_graph.py tests/sim/test_golden.py
