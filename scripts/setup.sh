#!/usr/bin/env bash
# Makes the virtual environment from requirements.lock, hashes checked. Usage: setup.sh VENV UV_VERSION
set -euo pipefail
venv=$1 uv_version=$2
python=${PYTHON:-}
if [ -z "$python" ]; then
    for candidate in python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            python=$candidate
            break
        fi
    done
fi
[ -n "$python" ] || { echo "setup: Python 3.11 or newer is needed; install it or set PYTHON=..." >&2; exit 2; }
mkdir -p "$venv"
exec 9>"$venv/.setup-lock" # two makes at once: the second waits and finds it done (uv has a lock named .lock)
command -v flock >/dev/null && flock 9
if [ -e "$venv/.ready" ] && [ ! requirements.lock -nt "$venv/.ready" ] && [ ! pyproject.toml -nt "$venv/.ready" ]; then
    exit 0
fi
echo "setting up $venv with $("$python" --version)"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
uv="$venv/bin/uv"
if command -v uv >/dev/null; then uv=$(command -v uv); elif [ ! -x "$uv" ]; then
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version" 2>/dev/null
fi
"$uv" pip sync --quiet --python "$venv/bin/python" --require-hashes requirements.lock
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
# Compile what every command imports, also where the user's Python is told to write no bytecode: without it each start
# of a process takes several times as long, and a sweep's workers with it.
env -u PYTHONDONTWRITEBYTECODE "$venv/bin/python" -c '
import assay.study.session, assay.train, assay.report.page, matplotlib.backends.backend_svg
import polars, pytest, scipy.optimize, scipy.stats, sklearn.datasets, torch._dynamo, torchmetrics, wandb
'
touch "$venv/.ready"
