"""Makes checks in their order; one that fails stops only those that need it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from collectors.simulator import SimulatorError
from sim_service.doctor.check import Check, CheckFailed, Found, Interrupted, NotRun
from sim_service.doctor.finding import Finding, Verdict
from sim_service.simulators import SimulatorUnavailable

_log = logging.getLogger(__name__)


class Examination:
    """stopping: whether somebody asked to stop; no check is made any more then. tell: gets each finding at once."""

    def __init__(self, stopping: Callable[[], bool], tell: Callable[[Finding], None]) -> None:
        self._stopping, self._tell = stopping, tell
        self.findings: list[Finding] = []

    @property
    def failed(self) -> bool:
        return bool(self.count("fail"))

    def count(self, verdict: Verdict) -> int:
        return sum(finding.verdict == verdict for finding in self.findings)

    def run(self, checks: Iterable[Check]) -> None:
        for check in checks:
            began_s = time.monotonic()
            finding = self._finding(check, began_s)
            self.findings.append(finding)
            self._tell(finding)

    def _finding(self, check: Check, began_s: float) -> Finding:
        def finding(verdict: Verdict, found: str, advice: str = "", remark: str = "") -> Finding:
            seconds = time.monotonic() - began_s
            return Finding(check.name, verdict, found, check.expected, advice, remark, seconds)

        try:
            found = self._look(check)
        except NotRun as reason:
            return finding("not run", str(reason))
        except CheckFailed as failure:
            return finding("fail", failure.found, failure.advice or check.advice)
        except (SimulatorError, SimulatorUnavailable) as error:
            _log.debug("check %s", check.name, exc_info=True)
            return finding("fail", str(error), check.advice)
        # Whatever a simulator of another version may raise is a finding, and not the end of the examination.
        except Exception as error:
            _log.debug("check %s", check.name, exc_info=True)
            advice = f"{check.advice} (isaac-collect --verbose doctor shows the traceback)"
            return finding("fail", f"{type(error).__name__}: {error}", advice)
        return finding("pass", found.text, remark=found.remark)

    def _look(self, check: Check) -> Found:
        if self._stopping():
            raise Interrupted
        passed = {finding.name for finding in self.findings if finding.verdict == "pass"}
        missing = [name for name in check.needs if name not in passed]
        if missing:
            raise NotRun(f"needs {', '.join(repr(name) for name in missing)}")
        return check.look()
