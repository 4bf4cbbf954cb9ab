"""A policy out of a user's Python file, as the word FILE.py:FACTORY of a command line."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

from collectors.policy import Policy, PolicyError
from sim_service.config import ConfigError

MODULE_NAME: Final = "rollout_policy_file"  # not the file's own, which may be that of a library
_NEEDED: Final = ("wants_images", "reset", "act")


def load_policy(word: str) -> Policy:
    """Runs the file, with its folder on the path as Python does it for a script, and calls the factory.

    Raises ConfigError for what is no policy, and PolicyError, with its cause, for what the file or the factory raise.
    """
    text, _, name = word.rpartition(":")
    path = Path(text).expanduser()
    if not text or not name:
        raise ConfigError(f"--policy must be FILE.py:FACTORY, got {word!r}")
    if path.suffix != ".py" or not path.is_file():
        raise ConfigError(f"--policy: {text} is not a Python file")
    module = _run(path)
    factory = getattr(module, name, None)
    if not callable(factory):
        found = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise ConfigError(f"--policy: {path} has no function {name!r}; it has {', '.join(sorted(found)) or 'none'}")
    try:
        policy: Policy = factory()
    except Exception as error:  # another author's code: whatever it raises is told as what it is, with its cause
        raise PolicyError(f"{word} failed: {type(error).__name__}: {error}") from error
    missing = [part for part in _NEEDED if not hasattr(policy, part)]
    if missing:
        raise ConfigError(f"--policy: what {word} returned, a {type(policy).__name__}, has no {', '.join(missing)}")
    return policy


def _run(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules[MODULE_NAME] = module  # dataclasses and pickles look their module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # as above
        raise PolicyError(f"{path} failed: {type(error).__name__}: {error}") from error
    return module
