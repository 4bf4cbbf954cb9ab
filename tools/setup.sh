#!/bin/sh
# Makes the virtual environment VENV with PYTHON and the product in it, and installs the system packages that are missing:
#   tools/setup.sh PYTHON VENV [EXTRAS [browser]]
# With "browser", Chromium and its driver are among them.
# System packages come from apt when this runs as root on Debian or Ubuntu; else one line says what to install.
set -eu
python=$1 venv=$2 extras=${3:-} browser=${4:-}

need() { # need PURPOSE PACKAGE...: install the packages or say which
  purpose=$1
  shift
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "setup: installing $* ($purpose)"
    DEBIAN_FRONTEND=noninteractive apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
  else
    echo "setup: missing: $purpose. Install it with: sudo apt-get install --no-install-recommends $*" >&2
    return 1
  fi
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
  echo "setup: $python is $("$python" --version 2>&1), 3.10 or newer is needed; choose one with make PYTHON=..." >&2
  exit 1
}
"$python" -c 'import ensurepip, venv' 2>/dev/null || need "Python's venv" python3-venv python3-pip

# Off-screen OpenGL by Mesa. Without it the simulator still works, with slow ray-cast pictures.
"$python" - <<'PYTHON' || need "off-screen OpenGL (Mesa)" libegl1 libopengl0 libgl1-mesa-dri || true
import ctypes, glob, sys
try:
    ctypes.CDLL("libEGL.so.1")
    ctypes.CDLL("libOpenGL.so.0")
except OSError:
    sys.exit(1)
folders = ("/usr/lib", "/usr/lib64", "/usr/lib/*-linux-gnu")
drivers = ("dri/*_dri.so", "libgallium*.so", "libEGL_nvidia.so*")
sys.exit(not any(glob.glob(f"{folder}/{driver}") for folder in folders for driver in drivers))
PYTHON

if [ "$browser" = browser ] && ! { command -v chromium && command -v chromedriver; } >/dev/null; then
  need "Chromium and its driver" chromium chromium-driver
fi

# A half-made environment, or one of another Python, is made anew.
wanted=$("$python" -c 'import sys; print(sys.version_info[:2])')
found=$("$venv/bin/python" -c 'import pip, sys; print(sys.version_info[:2])' 2>/dev/null || true)
[ "$wanted" = "$found" ] || "$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade "pip>=23"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".${extras:+[$extras]}"
