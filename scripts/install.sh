#!/bin/sh
# Makes .venv with napari-exactile in it (editable) and all that it needs to run, to be seen and to be tested.
# Safe to run again: what is there stays, and where nothing has changed it ends at once.
#
#   scripts/install.sh [EXTRA]     EXTRA: one of pyproject.toml's extras, besides `all` and `test`
#
#   PYTHON=python3.12              use this Python instead of python3
#   EXACTILE_ALLOW_CUDA=1          take PyTorch's GPU build (gigabytes) even where no NVIDIA GPU is found
set -eu
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
extras=all,test${1:+,$1}
stamp=.venv/installed-$extras

say() { echo "napari-exactile: $*"; }
stop() { say "$@" >&2; exit 1; }

# 1. Python -----------------------------------------------------------------------------------------------------

command -v "$PYTHON" >/dev/null || stop "there is no $PYTHON here; install Python 3.11 or newer."
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    stop "Python 3.11 or newer is needed, and this is $("$PYTHON" --version)." \
        "If a newer one is installed, name it: make install PYTHON=python3.12"

# 2. System libraries that Qt and OpenGL need, and a virtual screen for machines that have none ------------------

packages="xvfb xauth libgl1 libegl1 libfontconfig1 libglib2.0-0 libdbus-1-3 libxkbcommon-x11-0
    libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0"
"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || packages="python3-venv $packages"

missing_packages() {
    # Newer releases rename packages and say so under Provides (libglib2.0-0 is now libglib2.0-0t64).
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Provides}\n' |
        sed -n 's/^installed //p' | tr ' ,' '\n\n')
    for package in $packages; do
        echo "$installed" | grep -qx "$package" || printf ' %s' "$package"
    done
}

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
    missing=$(missing_packages)
    if [ -n "$missing" ] && [ "$(id -u)" = 0 ]; then
        say "installing system packages:$missing"
        { apt-get update -q && DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends $missing; } ||
            say "these could not be installed; going on without them."
    elif [ -n "$missing" ]; then
        say "some system packages are missing: windows, 'make demo' and 'make test' may need them. Please run"
        echo "    sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing"
    fi
elif [ "$(uname)" = Linux ]; then
    say "this is not a Debian system, so its libraries are not checked. If no window opens, look for your" \
        "system's names of: $(echo $packages)"
fi

# 3. The virtual environment ------------------------------------------------------------------------------------

fingerprint=$(cksum pyproject.toml constraints-cpu.txt scripts/install.sh)
[ "$fingerprint" != "$(cat "$stamp" 2>/dev/null)" ] || exit 0

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
        stop "$PYTHON cannot make virtual environments. On Debian: sudo apt-get install -y python3-venv"
    "$PYTHON" -m venv --clear .venv
fi
pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }

torch_version() {
    .venv/bin/python -c 'import importlib.metadata as m; print("torch==" + m.version("torch"))' 2>/dev/null
}

# 4. PyTorch first: the one package whose usual Linux build brings gigabytes that only an NVIDIA GPU can use ------

if torch_version >/dev/null; then
    :
elif [ -n "${EXACTILE_ALLOW_CUDA:-}" ] || nvidia-smi -L >/dev/null 2>&1; then
    pip install 'torch>=2.9'
else
    pip install -c constraints-cpu.txt torch ||
        stop "pip cannot reach PyTorch's CPU build (its reason is above). No NVIDIA GPU was found, and the usual" \
            "build for Linux is gigabytes of GPU libraries. Choose 'CPU' on https://pytorch.org/get-started/locally/" \
            "and run make again with the index address shown there: PIP_EXTRA_INDEX_URL=ADDRESS make install" \
            "(or take the GPU build all the same: EXACTILE_ALLOW_CUDA=1 make install)."
fi

# 5. Everything else, leaving torch as it is ---------------------------------------------------------------------

torch_version >.venv/torch.txt
pip install -c .venv/torch.txt -e ".[$extras]"
echo "$fingerprint" >"$stamp"
