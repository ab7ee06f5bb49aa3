#!/bin/sh
# Tests images, label stores and the command line with the newest Python that is found here, and with the newest of
# everything for it, but without torch and napari: these are large, and rarely there for the newest Python at once.
# Tests that import them are skipped. Where nothing can be installed for a Python, the next older one is tried.
set -eu
cd "$(dirname "$0")/.."

say() { echo "napari-exactile: $*"; }

# Their own packages, and what tests of the rest need.
requirements() {
    "$1" - <<'PYTHON'
import re, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
heavy = {"torch", "napari", "qtpy", "magicgui", "superqt"}
light = [line for line in project["dependencies"] if re.match(r"[\w.-]+", line)[0] not in heavy]
tests = {"pytest", "pytest-timeout", "pytest-xdist", "pytest-xvfb", "hypothesis", "ome-zarr-models"}
light += [line for line in project["optional-dependencies"]["test"] if re.match(r"[\w.-]+", line)[0] in tests]
print("\n".join(light))
PYTHON
}

# Newest first; a name that pyenv knows but cannot start is no Python.
pythons() {
    for minor in 15 14 13 12 11; do
        for python in "python3.$minor" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.$minor.*/bin/python; do
            if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
                command -v "$python"
                break
            fi
        done
    done
}

for python in ${PYTHON:-$(pythons)}; do
    "$python" -m venv --clear .venv-bare
    requirements .venv-bare/bin/python >.venv-bare/requirements.txt
    if .venv-bare/bin/python -m pip --disable-pip-version-check install -q -r .venv-bare/requirements.txt &&
        .venv-bare/bin/python -m pip --disable-pip-version-check install -q --no-deps -e .; then
        say "$(.venv-bare/bin/python scripts/versions.py bare)"
        exec .venv-bare/bin/python -m pytest -q -n 2 --dist loadfile "$@"
    fi
    say "nothing can be installed for $("$python" --version); trying an older Python." >&2
done
say "there is no Python here for which everything can be installed." >&2
exit 1
