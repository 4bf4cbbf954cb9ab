"""What the gates said of a dataset, as facts of its report."""

from __future__ import annotations

from sim_service.quality.motion_figures import ORDERS, UNITS
from sim_service.quality.report import QualityReport
from sim_service.report.facts import Quality

_HEAD = ("", "Peak", "At joint", "RMS")


def quality_facts(report: QualityReport) -> Quality:
    """A dataset without this collector's joints has no motion."""
    rows = []
    for kind, figures in report.motion.kinds.items():
        for order, peak, rms in zip(ORDERS, figures.peak, figures.rms, strict=True):
            if peak.size:
                overall = float((rms**2).mean() ** 0.5)
                name = f"{kind}, {order} [{UNITS[order].replace('s2', 's²').replace('s3', 's³')}]"
                rows.append((name, f"{peak.max():.4g}", f"{int(peak.argmax())}", f"{overall:.4g}"))
    return Quality(
        verdicts=tuple(report.verdicts),
        problem=f"The dataset could not be judged: {report.unread}" if report.unread else "",
        motion=(_HEAD, *rows) if rows else (),
    )
