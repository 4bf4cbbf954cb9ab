"""The section of the report that shows some episodes closely."""

from __future__ import annotations

from collections.abc import Sequence

from sim_service.report.facts import Clip, Phase, ReportFacts, Sheet, ShownEpisode
from sim_service.report.markup import Html, data_uri, element, joined, shortened
from sim_service.report.motion_plot import motion_figure
from sim_service.report.sections import paragraph, problems_list, section


def episodes_section(facts: ReportFacts) -> Html:
    if not facts.shown:
        return section("episodes", "Episodes", paragraph("The dataset has no episode.", "muted"))
    return section("episodes", "Episodes", *(_episode(entry) for entry in facts.shown))


def _episode(entry: ShownEpisode) -> Html:
    parts = [
        element("h3", f"Episode {entry.number}: {entry.why}", id=f"episode-{entry.number}"),
        paragraph(shortened(entry.task, 400)),
        paragraph(f"{entry.duration_s:.1f} s" + (f", {entry.result}" if entry.result else ""), "muted"),
        problems_list(entry.problems),
    ]
    if entry.clips:
        parts += [element("h4", "Video"), element("div", *(_clip(entry, clip) for clip in entry.clips), class_="clips")]
    for sheet in entry.sheets:
        parts += [
            element("h4", f"Pictures of {_camera(sheet.camera)}"),
            element("div", *_shots(entry, sheet), class_="shots"),
        ]
    if entry.panels:
        parts.append(element("h4", "State and action over time [s]"))
        parts.append(_legend(entry))
        figures = [motion_figure(panel, entry.phases, entry.duration_s) for panel in entry.panels]
        parts.append(element("div", *figures, class_="grid"))
    return element("article", *parts, class_="episode", aria_labelledby=f"episode-{entry.number}")


def _clip(entry: ShownEpisode, clip: Clip) -> Html:
    told = f"{_camera(clip.camera)}, {clip.seconds:.1f} s"
    if clip.seconds < clip.of_seconds:
        told += f": the first of {clip.of_seconds:.1f} s, so that the page stays small"
    video = element(
        "video",
        src=data_uri("video/mp4", clip.mp4),
        controls="",
        muted="",
        playsinline="",
        aria_label=f"Episode {entry.number} as {_camera(clip.camera)} saw it",
    )
    return element("figure", video, element("figcaption", told))


def _shots(entry: ShownEpisode, sheet: Sheet) -> list[Html]:
    return [
        element(
            "figure",
            element(
                "img",
                src=data_uri("image/jpeg", picture.jpeg),
                alt=f"Episode {entry.number}, {_camera(sheet.camera)} at {picture.time_s:.2f} s, {picture.label}",
                width=picture.size_px[0],
                height=picture.size_px[1],
            ),
            element("figcaption", f"{picture.time_s:.1f} s, {picture.label}"),
        )
        for picture in sheet.pictures
    ]


def _legend(entry: ShownEpisode) -> Html:
    kinds = {line.kind for panel in entry.panels for line in panel.lines}
    parts = [
        element(
            "li",
            element(
                "svg", element("polyline", points="0,7 20,7", class_=kind), viewBox="0 0 20 14", aria_hidden="true"
            ),
            kind,
        )
        for kind in ("state", "action")
        if kind in kinds
    ]
    return joined([element("ul", *parts, class_="legend"), _phase_names(entry.phases)])


def _phase_names(phases: Sequence[Phase]) -> Html:
    if not phases:
        return Html("")
    names = ", ".join(f"{place} {phase.name}" for place, phase in enumerate(phases, 1))
    return paragraph(f"Phases: {names}.", "muted small")


def _camera(feature: str) -> str:
    return shortened(feature.removeprefix("observation.images."), 60)
