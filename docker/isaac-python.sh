#!/usr/bin/env bash
# Isaac Sim's Python with the environment that Isaac Sim's own python.sh gives it (4.5 to 6.0). Unlike python.sh, which
# turns every failure into exit code 1, this becomes the Python process: its exit code is what the caller sees, and
# signals reach it.
set -euo pipefail

root=${ISAAC_SIM_ROOT:-/isaac-sim}
if [[ ! -r $root/setup_python_env.sh ]]; then
  echo "isaac-collect: no Isaac Sim in $root: setup_python_env.sh is not there; ISAAC_SIM_ROOT names the folder" >&2
  exit 1
fi

export CARB_APP_PATH=$root/kit ISAAC_PATH=$root EXP_PATH=$root/apps RESOURCE_NAME=IsaacSim
export SCRIPT_DIR=$root # what setup_python_env.sh finds set when python.sh sources it
set +u                  # it appends to variables that need not be set
# shellcheck source=/dev/null
source "$root/setup_python_env.sh"
set -u
export -n SCRIPT_DIR
# Loaded first, as python.sh does it; what the caller preloads comes after.
export LD_PRELOAD=$root/kit/libcarb.so${LD_PRELOAD:+:$LD_PRELOAD}

exec "$root/kit/python/bin/python3" "$@"
