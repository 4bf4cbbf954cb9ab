#!/usr/bin/env bash
# isaac-collect inside the Isaac Sim image: the entry point, and what `kubectl exec` finds on the PATH.
# Exit codes are those of `isaac-collect`; 2, as for bad arguments, where the licence is not accepted.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

# The command is the first word without a dash, as sim_service/__main__.py reads it. The others (check, report, sheet, remote)
# read files and ask the network; they need no Isaac Sim.
starts_isaac_sim() {
  local word command=
  for word in "$@"; do
    case $word in
      -h | --help) return 1 ;;
      -*) ;;
      *) command=${command:-$word} ;;
    esac
  done
  [[ $command == collect || $command == serve || $command == replay || $command == rollout || $command == doctor ]]
}

if starts_isaac_sim "$@"; then
  if [[ ! ${ACCEPT_EULA:-} =~ ^([Yy]|[Yy][Ee][Ss])$ ]]; then
    cat >&2 <<'TEXT'
isaac-collect: Isaac Sim does not start before its licence is accepted. Read the licence agreements that
https://catalog.ngc.nvidia.com/orgs/nvidia/containers/isaac-sim names, then start the container with ACCEPT_EULA=Y:
    docker run --gpus all -e ACCEPT_EULA=Y ...
PRIVACY_CONSENT=Y beside it allows NVIDIA to collect data on how Isaac Sim is used; it may be left out.
TEXT
    exit 2
  fi
  # python.sh does the same in a Docker container: older images write the Vulkan driver's description when a container
  # starts. Newer ones have it from the start, and a user who could not write it.
  root=${ISAAC_SIM_ROOT:-/isaac-sim}
  if [[ -x $root/vulkan_check.sh && ! -e /etc/vulkan/icd.d/nvidia_icd.json ]]; then
    "$root/vulkan_check.sh"
  fi
fi

exec "$here/isaac-python.sh" -m sim_service "$@"
