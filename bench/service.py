"""What the service costs the collection, how fast it answers meanwhile, and whether it grows.

python -m bench.service [--rounds 4] [--window-s 20] [--idle-s 20] [--soak-minutes N] [--json FILE]

Starts `serve` on the embedded simulator with its default look, and everything that loads it, on this machine. First the
service idles. Then it collects, and windows of three cases take turns: nobody asks; the API load (50 pollers of the
status at 2 Hz each, 6 readers of the events, 2 clients that ask for the events and never read); the same with three
WebRTC viewers of two cameras. The speed is that of control ticks, a frame each, from the counters of /metrics; it is
compared with the mean of the windows without load just before and after. The clients use the same cores as the service,
so their use is told, and what `other` processes of the machine used: above 0.2 cores a window says little. The viewers
put pictures together from their packets and do not decode them, but for one viewer in one more window.
"""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.measure import ChildError, Numbers, machine, table
from bench.service_process import ROOT, Footprint, Load, Served, busy_s

SCRATCH: Final = ROOT / ".cache"  # on the repository's disk, and out of git's sight
CAMERAS: Final = ("cam_high", "cam_wrist", "cam_high")
NOBODY: Final = "nobody"
API: Final = "API load"
VIEWERS: Final = "API load, 3 viewers"
DECODING: Final = "API load, 3 viewers, one decodes"
CASES: Final = (NOBODY, API, VIEWERS)
SETTLE_S: Final = 4.0  # between connecting and counting
BEGIN_S: Final = 10.0  # of collecting, before the first window
WARM_UP_S: Final = 120.0  # of the soak, without a say in growth
SAMPLE_S: Final = 5.0
DECODING_S: Final = 10.0
IDLE: Final = ("idle", "playing", "idle, 1 viewer", "playing, 1 viewer")

Figures = dict[str, Any]


def window(
    served: Served, loads: Mapping[str, Load], seconds: float, samples: list[Footprint] | None = None
) -> Figures:
    """What happens in that time, while the loads run. samples: takes the service's footprint now and then."""
    for load in loads.values():
        load.begin()
    began_s, counters, before, busy = time.monotonic(), served.counters(), served.footprint, busy_s()
    others = {name: load.footprint for name, load in loads.items()}
    while (left_s := began_s + seconds - time.monotonic()) > 0:
        time.sleep(min(left_s, SAMPLE_S))
        if samples is not None:
            samples.append(served.footprint)
    ended_s, after_counters, after = time.monotonic(), served.counters(), served.footprint
    wall_s = after.time_s - before.time_s

    def grown(name: str) -> float:
        return after_counters[name] - counters[name]

    figures: Figures = {
        "ticks_per_s": grown("isaac_collect_ticks_total") / (ended_s - began_s),
        "tick_ms": 1e3 * grown("isaac_collect_tick_seconds_total") / max(1.0, grown("isaac_collect_ticks_total")),
        "cores": (after.cpu_s - before.cpu_s) / wall_s,
    }
    for name, load in loads.items():
        figures[f"{name}_cores"] = (load.footprint.cpu_s - others[name].cpu_s) / wall_s
    ours = sum(value for name, value in figures.items() if name.endswith("cores"))
    return {**figures, "other_cores": (busy_s() - busy) / wall_s - ours}


def loaded(served: Served, case: str, seconds: float, samples: list[Footprint] | None = None) -> Figures:
    """One window of a case, with what its clients counted."""
    with ExitStack() as stack:
        loads: dict[str, Load] = {}
        if case in (VIEWERS, DECODING):
            decoding = ("--decode", "1") if case == DECODING else ()
            viewers = Load("bench.service_viewers", served, "--cameras", *CAMERAS, *decoding)
            loads["viewers"] = stack.enter_context(viewers)
        if case != NOBODY:
            loads["clients"] = stack.enter_context(Load("bench.service_load", served))
        time.sleep(SETTLE_S)
        figures = window(served, loads, seconds, samples)
        return {**figures, **{name: load.end() for name, load in loads.items()}}


def idle(served: Served, seconds: float) -> dict[str, Figures]:
    figures: dict[str, Figures] = {}
    for case in IDLE:
        served.command("/sim/play" if "playing" in case else "/sim/pause")
        with ExitStack() as stack:
            loads: dict[str, Load] = {}
            if "viewer" in case:
                loads["viewers"] = stack.enter_context(Load("bench.service_viewers", served, "--cameras", CAMERAS[0]))
            time.sleep(SETTLE_S)
            figures[case] = window(served, loads, seconds)
            if loads:
                figures[case]["viewers"] = loads["viewers"].end()
        _say(f"{case}: {100 * figures[case]['cores']:.1f} % of a core")
    served.command("/sim/pause")
    return figures


def take_turns(served: Served, rounds: int, seconds: float) -> dict[str, list[Figures]]:
    """One more window of nobody than of the others: each of theirs is between two."""
    runs: dict[str, list[Figures]] = {case: [] for case in CASES}
    for case in [*list(CASES) * rounds, NOBODY]:
        runs[case].append(loaded(served, case, seconds))
        _say(f"{case}: {runs[case][-1]['ticks_per_s']:.1f} frames/s")
    return runs


def kept(runs: Mapping[str, Sequence[Figures]], case: str) -> list[float]:
    """Of each round: the speed as a part of that without load just before and after."""
    alone = [run["ticks_per_s"] for run in runs[NOBODY]]
    around = [(before + after) / 2 for before, after in itertools.pairwise(alone)]
    return [run["ticks_per_s"] / speed for run, speed in zip(runs[case], around, strict=False)]


def pooled(runs: Sequence[Figures], name: str) -> list[float]:
    """Times of all windows' pollers [ms]."""
    return [value for run in runs for value in run.get("clients", {}).get(name, ())]


def growth(samples: Sequence[Footprint], warm_up_s: float) -> Numbers:
    """After the warm-up: the slope of a line through the samples, and the most less the least."""
    steady = [sample for sample in samples if sample.time_s - samples[0].time_s >= warm_up_s]
    minutes = np.array([sample.time_s for sample in steady]) / 60
    figures: Numbers = {"minutes": float(minutes[-1] - minutes[0]), "samples": len(steady)}
    for name in ("rss_mb", "anonymous_mb", "threads", "files"):
        values = np.array([getattr(sample, name) for sample in steady], dtype=float)
        figures[f"{name}_first"], figures[f"{name}_last"] = float(values[0]), float(values[-1])
        figures[f"{name}_slope_per_minute"] = float(np.polyfit(minutes, values, 1)[0])
        figures[f"{name}_range"] = float(np.ptp(values))
    return figures


def speed_table(runs: Mapping[str, Sequence[Figures]]) -> str:
    rows = []
    for case, of_case in runs.items():
        due, viewers = pooled(of_case, "due_ms"), [run["viewers"] for run in of_case if "viewers" in run]
        ratios = kept(runs, case) if case in CASES[1:] else []
        rates = [viewer["frames_per_s"] for run in viewers for viewer in run["viewers"]]
        rows.append(
            [
                case,
                f"{_median(of_case, 'ticks_per_s'):.1f}",
                f"{statistics.median(ratios):.2f}" if ratios else "",
                *([f"{part:.1f}" for part in (*np.percentile(due, (50, 99)), max(due))] if due else ("", "", "")),
                f"{statistics.median(rates):.1f}" if rates else "",
                *(
                    f"{_median(of_case, name):.2f}" if name in of_case[0] else ""
                    for name in ("cores", "clients_cores", "viewers_cores", "other_cores")
                ),
            ]
        )
    header = ["collecting", "frames/s", "of nobody's", "status p50 ms", "p99 ms", "worst ms", "pictures/s of a viewer"]
    return table([*header, "cores: service", "clients", "viewers", "other"], rows)


def idle_table(figures: Mapping[str, Figures]) -> str:
    rows = [
        [case, f"{100 * of_case['cores']:.1f}", f"{100 * of_case['other_cores']:.0f}"]
        for case, of_case in figures.items()
    ]
    return table(["not collecting", "service, % of a core", "other processes"], rows)


def growth_table(figures: Numbers) -> str:
    named = {"rss_mb": "RSS MB", "anonymous_mb": "of it heaps and stacks", "threads": "threads", "files": "open files"}
    rows = [
        [
            title,
            *(f"{figures[f'{name}_{part}']:.1f}" for part in ("first", "last")),
            f"{figures[f'{name}_slope_per_minute']:.3f}",
            f"{figures[f'{name}_range']:.1f}",
        ]
        for name, title in named.items()
    ]
    title = f"soak, {figures['minutes']:.1f} min after the warm-up"
    return table([title, "first", "last", "slope per min", "most less least"], rows)


def events_of(runs: Sequence[Figures]) -> Numbers:
    """What was wrong with events and answers, over all windows."""
    counted: Numbers = {"events": 0.0, "faults": 0.0, "refused": 0.0, "cut_off": 0.0}
    for run in runs:
        clients = run.get("clients")
        if clients is not None:
            events = dict(clients["events"])
            counted["events"] += events.pop("events")
            counted["faults"] += sum(events.values())
            counted["refused"] += clients["refused"] + clients["lost_connections"]
            counted["cut_off"] += clients["cut_off"]
    return counted


def targets_table(runs: Mapping[str, Sequence[Figures]], idling: Mapping[str, Figures], grown: Numbers | None) -> str:
    counted = events_of([run for of_case in runs.values() for run in of_case])
    under_load = [run for case, of_case in runs.items() if case != NOBODY for run in of_case]
    due = [value for case in CASES[1:] for value in pooled(runs[case], "due_ms")]
    rows = [
        _target("speed kept under the API load", statistics.median(kept(runs, API)), 0.85, at_most=False),
        _target("speed kept with the viewers too", statistics.median(kept(runs, VIEWERS)), 0.7, at_most=False),
        _target("status p99, ms", float(np.percentile(due, 99)), 25.0, at_most=True),
        _target(
            f"events lost, doubled or otherwise wrong of {counted['events']:.0f}", counted["faults"], 0, at_most=True
        ),
        _target(f"requests refused or lost in {len(under_load)} windows", counted["refused"], 0, at_most=True),
        _target("idle, % of a core", 100 * idling["idle"]["cores"], 5.0, at_most=True),
        _target("playing, % of a core", 100 * idling["playing"]["cores"], 5.0, at_most=True),
    ]
    if grown is not None:
        rows += [
            _target("threads, most less least", grown["threads_range"], 0.0, at_most=True),
            _target("heaps and stacks, MB per hour", 60 * grown["anonymous_mb_slope_per_minute"], 15.0, at_most=True),
        ]
    return table(["promise", "measured", "target", "met"], rows)


def notes(runs: Mapping[str, Sequence[Figures]]) -> str:
    due = [value for case in CASES[1:] for value in pooled(runs[case], "due_ms")]
    sent = [value for case in CASES[1:] for value in pooled(runs[case], "sent_ms")]
    late = [value for case in CASES[1:] for value in pooled(runs[case], "late_ms")]
    lines = [
        f"{len(due)} answers, timed from when a request was due. From when it was sent: p99 "
        f"{np.percentile(sent, 99):.1f} ms; it was sent late by {np.percentile(late, 99):.1f} ms at p99."
    ]
    for run in runs.get(DECODING, ()):
        viewer = run["viewers"]["viewers"][0]
        lines.append(
            f"One viewer decoding: {viewer['decoded_per_s']:.1f} of {viewer['frames_per_s']:.1f} pictures/s decoded, "
            f"{viewer['changed_per_s']:.1f} other than the one before, {viewer['kbit_per_s']:.0f} kbit/s."
        )
    cut_off = events_of([run for of_case in runs.values() for run in of_case])["cut_off"]
    lines.append(f"Clients that never read were cut off {cut_off:.0f} times, and came again.")
    return "\n".join(lines)


def measure(arguments: argparse.Namespace, folder: Path) -> tuple[list[str], Figures]:
    """The tables, and everything as JSON."""
    with Served(folder) as served:
        idling = idle(served, arguments.idle_s)
        served.command("/collect/start", {"output_dir": "bench", "num_episodes": 1_000_000})
        try:
            time.sleep(BEGIN_S)
            runs = take_turns(served, arguments.rounds, arguments.window_s)
            runs[DECODING] = [loaded(served, DECODING, DECODING_S)]
            samples: list[Footprint] = []
            grown = None
            if arguments.soak_minutes:
                seconds = 60 * arguments.soak_minutes
                runs["soak"] = [loaded(served, VIEWERS, seconds, samples)]
                grown = growth(samples, min(WARM_UP_S, seconds / 2))
        finally:
            served.command("/collect/stop", {"mode": "now"})
    tables = [idle_table(idling), speed_table(runs), *([growth_table(grown)] if grown else [])]
    tables += [targets_table(runs, idling, grown), notes(runs)]
    return tables, {"idle": idling, "windows": _without_times(runs), "growth": grown}


def _without_times(runs: Mapping[str, Sequence[Figures]]) -> dict[str, list[Figures]]:
    """Each poller's times as percentiles."""

    def brief(clients: Figures) -> Figures:
        times = {name: values for name, values in clients.items() if name.endswith("_ms")}
        parts = {
            name: {f"p{part:g}": float(np.percentile(values, part)) for part in (50, 90, 99, 99.9, 100)}
            for name, values in times.items()
        }
        return {**clients, **parts, "answers": len(clients["due_ms"])}

    return {
        case: [{**run, "clients": brief(run["clients"])} if "clients" in run else run for run in of_case]
        for case, of_case in runs.items()
    }


def _target(name: str, measured: float, target: float, *, at_most: bool) -> list[str]:
    met = measured <= target if at_most else measured >= target
    return [name, f"{measured:.2f}", f"{'at most' if at_most else 'at least'} {target:g}", "yes" if met else "NO"]


def _median(runs: Sequence[Figures], name: str) -> float:
    return float(statistics.median(run[name] for run in runs))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _positive(convert: Callable[[str], float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = convert(text)
        if value <= 0:
            raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
        return value

    return parse


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=_positive(int), default=4)
    parser.add_argument("--window-s", type=_positive(float), default=20.0)
    parser.add_argument("--idle-s", type=_positive(float), default=20.0)
    parser.add_argument("--soak-minutes", type=_positive(float), help="at the end, the full load for so long")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what was started is ended
    before = machine(ROOT)
    SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SCRATCH, prefix="bench-service-") as name:
        try:
            tables, figures = measure(arguments, Path(name))
        except ChildError as error:
            print(f"bench.service: {error}", file=sys.stderr)
            return 1
    print("\n\n".join(tables))
    print("\n" + "\n".join(f"{key}: {value}" for key, value in before.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": before, **figures}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
