#!/bin/sh
# Unpacks the runtime beside this script and says what is missing. It downloads nothing unless asked:
#   sh install.sh                  unpack and check
#   sh install.sh --with-packages  also install what requirements.txt names, where it is missing
set -eu
cd "$(dirname "$0")"
PYTHON=${PYTHON:-python3}

fail() {
    echo "error: $1" >&2
    echo "hint: $2" >&2
    exit 2
}

command -v "$PYTHON" >/dev/null 2>&1 || fail "$PYTHON is not here" "install Python 3.10 or later, or set PYTHON"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "$("$PYTHON" --version 2>&1) is too old, expected 3.10 or later" "set PYTHON to a newer one"

WHEEL=$(ls -t edgekit_rdk_runtime-*.whl 2>/dev/null | head -n 1) # the one that was copied last
[ -n "$WHEEL" ] || fail "no edgekit_rdk_runtime-*.whl beside install.sh" "copy it here, or run edgekit push"

rm -rf runtime.new
"$PYTHON" -m zipfile -e "$WHEEL" runtime.new || fail "$WHEEL cannot be unpacked" "copy it here again"
rm -rf runtime
mv runtime.new runtime

if [ "${1:-}" = "--with-packages" ]; then
    "$PYTHON" -m pip install -r requirements.txt
fi
"$PYTHON" -c 'import numpy, cv2' 2>/dev/null ||
    fail "numpy or OpenCV is missing for $PYTHON" "sh install.sh --with-packages"
echo "installed $WHEEL into $(pwd)/runtime for $("$PYTHON" --version 2>&1)"
