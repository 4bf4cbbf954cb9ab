"""checkov over the rendered batch manifests: `python tests/kubernetes_batch_checkov.py`, with kubectl.

Each check holds or is annotated with its reason in the manifest, and each annotation is needed. checkov lives in an
environment of its own, which `judges/make_env.py` makes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import yaml
from judges.make_env import MakeEnvError, ensure
from kubernetes_batch_manifests import ALONE, K8S, VARIANTS, Manifest, kustomize, kustomize_variant

ENVIRONMENT: Final = "checkov"
SKIP: Final = "checkov.io/skip"
# Components take away what these are about; the overlays need them.
OF_A_COMPONENT: Final[Mapping[str, tuple[str, ...]]] = {
    "isaac-uid-1234": ("CKV_K8S_23", "CKV_K8S_25"),
    "isaac-everything": ("CKV_K8S_23", "CKV_K8S_25"),
}


def failed_checks(python: Path, manifests: Mapping[str, Sequence[Manifest]]) -> dict[str, dict[str, set[str]]]:
    """The checks that fail, by variant, and by kind and name of the manifest. Raises RuntimeError where checkov prints
    no report."""
    found: dict[str, dict[str, set[str]]] = {name: defaultdict(set) for name in manifests}
    with tempfile.TemporaryDirectory() as folder:
        files = {f"{number}.yaml": name for number, name in enumerate(manifests)}
        for file, name in files.items():
            Path(folder, file).write_text(yaml.safe_dump_all(manifests[name]), encoding="utf-8")
        command = [python.parent / "checkov", "--skip-download", "--framework", "kubernetes", "--output", "json"]
        done = subprocess.run([*command, "--directory", folder], capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"checkov printed no JSON: {done.stdout[-500:]} {done.stderr[-500:]}") from None
    for each in report["results"]["failed_checks"]:
        kind, _, name = each["resource"].split(".", 2)
        found[files[Path(each["file_path"]).name]][f"{kind} {name}"].add(each["check_id"])
    return found


def annotated(manifests: Sequence[Manifest]) -> dict[str, dict[str, str]]:
    """Reasons of the checks that need not hold, by kind and name of the manifest."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for each in manifests:
        for key, text in each["metadata"].get("annotations", {}).items():
            if key.startswith(SKIP):
                check, _, reason = text.partition("=")
                found[f"{each['kind']} {each['metadata']['name']}"][check] = reason
    return found


def without_annotations(manifests: Sequence[Manifest]) -> list[Manifest]:
    copies = deepcopy(list(manifests))
    for each in copies:
        each["metadata"].pop("annotations", None)
    return copies


def problems(python: Path, manifests: Mapping[str, Sequence[Manifest]]) -> Iterator[str]:
    """One line for each check that fails, and each annotation without need or reason."""
    plain = failed_checks(python, {name: without_annotations(each) for name, each in manifests.items()})
    for name, failing in plain.items():
        allowed = annotated(manifests[name])
        for which in sorted({*failing, *allowed}):
            unneeded = set(allowed[which]) - failing[which] - set(OF_A_COMPONENT.get(name, ()))
            yield from (f"{name}: {which}: the annotation for {check} is not needed" for check in sorted(unneeded))
            for check, reason in allowed[which].items():
                if not reason.strip():
                    yield f"{name}: {which}: {check} is skipped without a reason"
    for name, failing in failed_checks(python, manifests).items():
        yield from (f"{name}: {which}: {check} fails" for which, checks in failing.items() for check in sorted(checks))


def rendered(folder: Path) -> Iterator[tuple[str, list[Any]]]:
    for name, parts in VARIANTS.items():
        yield name, kustomize_variant(parts, folder)
    for path in ALONE:
        yield path, kustomize(K8S / path)


def main() -> int:
    try:
        python = ensure(ENVIRONMENT)
    except MakeEnvError as error:
        print(f"kubernetes_batch_checkov: {error}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        manifests = dict(rendered(Path(folder)))
    wrong = list(problems(python, manifests))
    for name, each in manifests.items():
        skipped = sum(len(checks) for checks in annotated(each).values())
        print(f"{name}: {len(each)} manifests, {skipped} failing checks, each with its reason")
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
