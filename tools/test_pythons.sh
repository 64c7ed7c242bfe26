#!/bin/sh
# The tests under every supported Python that is here: tools/test_pythons.sh [3.10 3.12 ...]
# Each gets an environment of its own (.venv-VERSION). A version that is asked for and missing is an error; without
# arguments the versions that are not here are named and left out.
set -eu
cd "$(dirname "$0")/.."
ALL="3.10 3.11 3.12 3.13"
failed=""
find_python() {
    if command -v pyenv >/dev/null 2>&1; then
        version=$(pyenv versions --bare | grep "^$1\." | tail -n 1)
        [ -n "$version" ] && PYENV_VERSION=$version pyenv which python && return
    fi
    command -v "python$1" || true
}
for wanted in ${*:-$ALL}; do
    python=$(find_python "$wanted")
    if [ -z "$python" ]; then
        echo "Python $wanted is not here"
        [ $# -eq 0 ] || failed="$failed $wanted"
        continue
    fi
    venv=.venv-$wanted
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    "$venv/bin/pip" install -q -e '.[dev]'
    echo "== Python $wanted"
    "$venv/bin/pytest" -q -n auto --dist loadscope ${PYTEST_ARGS:-} || failed="$failed $wanted"
done
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
