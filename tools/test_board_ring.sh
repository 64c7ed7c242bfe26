#!/bin/sh
# Imports and tests the board ring as a board has it: Python 3.10, numpy 1.26, cv2 and nothing else.
set -eu
cd "$(dirname "$0")/.."
VENV=${BOARD_VENV:-.venv-board}
if [ -z "${PYTHON310:-}" ]; then
    PYTHON310=python3.10
    command -v pyenv >/dev/null 2>&1 && PYENV_VERSION=$(pyenv versions --bare | grep '^3\.10\.' | tail -n 1) && export PYENV_VERSION
fi
if [ ! -x "$VENV/bin/python" ]; then
    "$PYTHON310" -m venv "$VENV"
fi
"$VENV/bin/pip" install -q "numpy==1.26.*" opencv-python pytest "setuptools>=77"
PYTHONPATH=. "$VENV/bin/python" -m pytest -q -p tests.board_only -p no:cacheprovider \
    tests/ops tests/decode tests/runtime tests/tracking tests/output tests/test_spec.py tests/test_files.py tests/results tests/robot tests/board
