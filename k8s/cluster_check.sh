#!/usr/bin/env bash
# A tiny run on a real cluster, from claim to checked dataset: four episodes in two shards on the embedded simulator.
#
#   k8s/cluster_check.sh IMAGE        such as registry.example.com/isaac-collect:mujoco
#
# In the namespace of kubectl's context, or NAMESPACE. It makes a claim of its own, of STORAGE_CLASS if that is set and
# with ACCESS_MODE (ReadWriteMany; ReadWriteOnce does on a cluster of one node), and deletes whatever it made.
# TIMEOUT_S: how long the run may take (1800). Exit code 0: the dataset is there and well.
set -euo pipefail

[[ $# == 1 && $1 == *:* ]] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
image=$1
timeout_s=${TIMEOUT_S:-1800}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=cluster-check-$$
k() { kubectl ${NAMESPACE:+--namespace "$NAMESPACE"} "$@"; }
say() { echo "cluster check: $*"; }

work=$(mktemp -d "$here/.cluster-check-XXXXXX") # kustomize takes relative paths alone
cleanup() {
  local code=$?
  if [[ $code != 0 ]]; then
    say "failed; what the cluster says:" >&2
    k get jobs,pods -l "app.kubernetes.io/instance=$name" -o wide >&2 || true
    k logs -l "app.kubernetes.io/instance=$name" --all-containers --prefix --tail=20 >&2 || true
  fi
  say "cleaning up"
  for part in reader run claim; do
    if [[ -f $work/$part/kustomization.yaml ]]; then
      k delete --ignore-not-found --wait=false -k "$work/$part" >&2 || true
    fi
  done
  rm -rf "$work"
  exit "$code"
}
trap cleanup EXIT

mkdir "$work/claim" "$work/run" "$work/reader"
cat >"$work/claim/kustomization.yaml" <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../base/batch/claim]
nameSuffix: -$name
patches:
  - target: {kind: PersistentVolumeClaim}
    patch: |
      - {op: replace, path: /spec/accessModes, value: [${ACCESS_MODE:-ReadWriteMany}]}
      - {op: replace, path: /spec/resources/requests/storage, value: 1Gi}
YAML
if [[ -n ${STORAGE_CLASS:-} ]]; then
  echo "      - {op: add, path: /spec/storageClassName, value: $STORAGE_CLASS}" >>"$work/claim/kustomization.yaml"
fi
cat >"$work/run/kustomization.yaml" <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../overlays/mujoco/batch]
transformers: [../../base/batch/settings]
nameSuffix: -$name
images: [{name: isaac-collect, newName: "${image%:*}", newTag: "${image##*:}"}]
configMapGenerator:
  - name: isaac-collect-run
    behavior: merge
    literals:
      - RUN=$name
      - ISAAC_COLLECT_NUM_EPISODES=4
      - ISAAC_COLLECT_RENDER_PRESET=fast
      - SHARDS=2
      - PARALLELISM=2
      - MAX_FAILED_SHARDS=0
      - MERGE_TIMEOUT_S=$timeout_s
patches:
  - target: {kind: Job}
    patch: |
      - {op: replace, path: /spec/template/spec/volumes/0/persistentVolumeClaim/claimName, value: isaac-collect-shared-$name}
YAML
cat >"$work/reader/kustomization.yaml" <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../base/batch/reader]
nameSuffix: -$name
images: [{name: isaac-collect, newName: "${image%:*}", newTag: "${image##*:}"}]
patches:
  - target: {kind: Pod}
    patch: |
      - {op: replace, path: /spec/volumes/0/persistentVolumeClaim/claimName, value: isaac-collect-shared-$name}
YAML

say "the server accepts every manifest (dry run)"
for part in claim run reader; do
  k apply --dry-run=server -k "$work/$part"
done

say "a claim and a run of two shards"
k apply -k "$work/claim"
k apply -k "$work/run"

say "waiting for the merge, $timeout_s s at most"
end=$((SECONDS + timeout_s))
condition() { k get job "$1" -o "jsonpath={.status.conditions[?(@.type==\"$2\")].$3}"; }
until [[ $(condition "isaac-collect-merge-$name" Complete status) == True ]]; do
  for job in "isaac-collect-$name" "isaac-collect-merge-$name"; do
    failed=$(condition "$job" Failed message)
    [[ -z $failed ]] || { say "$job failed: $failed" >&2; exit 1; }
  done
  ((SECONDS < end)) || { say "not merged after $timeout_s s" >&2; exit 1; }
  sleep 5
done

say "looking at the dataset"
k apply -k "$work/reader"
k wait --for=condition=Ready --timeout=300s "pod/isaac-collect-reader-$name"
k exec "isaac-collect-reader-$name" -- isaac-collect status "/data/datasets/$name.shards" --shards 2
k exec "isaac-collect-reader-$name" -- isaac-collect check "/data/datasets/$name"
episodes=$(k exec "isaac-collect-reader-$name" -- python -c \
  "import json, sys; print(json.load(open(sys.argv[1]))['total_episodes'])" "/data/datasets/$name/meta/info.json")
[[ $episodes == 4 ]] || { say "$episodes episodes instead of 4" >&2; exit 1; }
k cp "isaac-collect-reader-$name:/data/datasets/$name" "$work/copy" >/dev/null
[[ -f $work/copy/meta/info.json ]] || { say "the copy has no meta/info.json" >&2; exit 1; }
say "well: 4 episodes, merged, checked and copied"
