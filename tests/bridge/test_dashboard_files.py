"""What can be said of the dashboard's files without a browser."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest

import bridge

STATIC: Final = Path(bridge.__file__).parent / "static"
PAGE: Final = STATIC / "index.html"
SCRIPTS: Final = sorted(STATIC.rglob("*.js"))
SHEETS: Final = sorted(STATIC.rglob("*.css"))
FILES: Final = sorted(path for path in STATIC.rglob("*") if path.is_file())
MAX_LINES: Final = 400
MAX_COLUMNS: Final = 120
MAX_TOTAL_BYTES: Final = 200_000
SVG_NAMESPACE: Final = "http://www.w3.org/2000/svg"
VOID: Final = frozenset({"meta", "link", "input", "img", "br", "hr"})
SURFACES: Final = ("page", "surface", "raised", "hover")
TEXTS: Final = ("text", "muted", "accent", "good", "warn", "bad")


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    parents: tuple[Element, ...]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """Every element of an HTML text in order; `text` of an element is all the text inside it."""

    elements: list[Element] = field(default_factory=list)
    opened: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, tuple(self.opened))
        self.elements.append(element)
        if tag not in VOID:
            self.opened.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened, f"</{tag}> closes nothing"
        assert self.opened[-1].tag == tag, f"</{tag}> closes <{self.opened[-1].tag}>"
        self.opened.pop()

    def handle_data(self, data: str) -> None:
        for element in self.opened:
            element.text += data

    def values(self, *names: str) -> list[str]:
        return [element.attributes[name] for element in self.elements for name in names if name in element.attributes]


@pytest.fixture(scope="module")
def page() -> Page:
    parsed = Page()
    parsed.feed(PAGE.read_text(encoding="utf-8"))
    parsed.close()
    assert not parsed.opened
    return parsed


def scripts_text() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS)


def sheets_text() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in SHEETS)


def imports_of(script: Path) -> list[tuple[str, Path]]:
    """Clause and file of each import."""
    found = re.findall(r"^import (.+?) from \"(.+?)\";$", script.read_text(encoding="utf-8"), re.M | re.S)
    return [(clause, (script.parent / specifier).resolve()) for clause, specifier in found]


def exports_of(script: Path) -> set[str]:
    declared = r"^export (?:async )?(?:class|const|function) (\w+)"
    return set(re.findall(declared, script.read_text(encoding="utf-8"), re.M))


def test_every_file_that_the_page_names_is_there_and_every_file_is_used(page: Page) -> None:
    named = {value.split("#")[0] for value in page.values("href", "src") if value.startswith("static/")}
    assert {STATIC.parent / path for path in named} <= set(FILES)
    loaded = {(STATIC.parent / path).resolve() for path in named}
    waiting = [path for path in loaded if path.suffix == ".js"]
    while waiting:
        for _, target in imports_of(waiting.pop()):
            if target not in loaded:
                loaded.add(target)
                waiting.append(target)
    assert {path.resolve() for path in FILES} == loaded | {PAGE.resolve()}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_imports_resolve_to_what_is_exported(script: Path) -> None:
    statements = re.findall(r"^import\b", script.read_text(encoding="utf-8"), re.M)
    imports = imports_of(script)
    assert len(imports) == len(statements)
    for clause, target in imports:
        assert target in {path.resolve() for path in SCRIPTS}, target
        names = [name.strip() for name in clause.strip("{} \n").split(",") if name.strip()]
        if clause.startswith("{"):
            assert set(names) <= exports_of(target), f"{target.name} does not export all of {names}"
        else:
            assert re.fullmatch(r"\* as \w+", clause)
        used = script.read_text(encoding="utf-8").replace(clause, "", 1)
        for name in names:
            assert re.search(rf"\b{name.removeprefix('* as ')}\b", used), f"{name} is imported for nothing"


def test_namespace_imports_use_only_what_is_exported() -> None:
    for script in SCRIPTS:
        for clause, target in imports_of(script):
            if clause.startswith("* as "):
                used = re.findall(rf"(?<!/)\b{clause[5:]}\.(\w+)", script.read_text(encoding="utf-8"))
                assert used
                assert set(used) <= exports_of(target)


def test_a_strict_content_security_policy_blocks_nothing(page: Page) -> None:
    for element in page.elements:
        assert element.tag not in {"style", "base", "iframe", "object", "embed"}
        assert "style" not in element.attributes
        assert not [name for name in element.attributes if name.startswith("on")]
        if element.tag == "script":
            assert element.attributes.get("src")
            assert not element.text.strip()
    for call in ("eval(", "new Function", 'createElement("style")', 'setAttribute("style"', "blob:", "data:"):
        assert call not in scripts_text(), call
    assert not re.search(r"url\(|@import", sheets_text())


def test_data_never_becomes_markup() -> None:
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "srcdoc"):
        assert way not in scripts_text(), way


def test_every_url_is_relative(page: Page) -> None:
    for value in page.values("href", "src", "action"):
        assert not re.match(r"[a-z]+:|/", value), value
    for path in FILES:
        text = path.read_text(encoding="utf-8").replace(SVG_NAMESPACE, "")
        assert not re.search(r"\b(?:https?|wss?|ftp):|[\"'`(]//", text), path
    assert not re.findall(r"[\"'`]/(?:\w\w|\$)", scripts_text())


def test_the_page_has_what_the_scripts_and_the_labels_ask_for(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    asked = set(re.findall(r"\bbyId\(\"([\w-]+)\"\)", scripts_text()))
    assert len(asked) > 50
    assert asked <= set(ids)
    for name in ("aria-labelledby", "aria-describedby", "for"):
        for value in page.values(name):
            assert set(value.split()) <= set(ids), value
    anchors = {value[1:] for value in page.values("href") if value.startswith("#")}
    assert anchors <= set(ids)


def test_test_ids_are_unique(page: Page) -> None:
    test_ids = page.values("data-testid")
    assert len(test_ids) == len(set(test_ids))


def test_icons_exist_and_none_is_left_over(page: Page) -> None:
    drawn = set(re.findall(r"<symbol id=\"(\w+)\"", (STATIC / "icons.svg").read_text(encoding="utf-8")))
    in_page = {value.split("#")[1] for value in page.values("href") if value.startswith("static/icons.svg#")}
    in_scripts = set(re.findall(r"\bicon\(\"(\w+)\"\)", scripts_text()))
    chosen = re.findall(r"setIcon\([^;]*?\? \"(\w+)\" : \"(\w+)\"\)", scripts_text())
    assert drawn == in_page | in_scripts | set(itertools.chain.from_iterable(chosen))


def test_every_control_has_a_name(page: Page) -> None:
    labelled = set(page.values("for"))
    for element in page.elements:
        has_label = "aria-label" in element.attributes or "aria-labelledby" in element.attributes
        if element.tag in {"button", "a", "summary"}:
            filled_in = {"datasets-more"}
            named = element.text.strip() or has_label or element.attributes.get("id") in filled_in
            assert named, element.attributes
        if element.tag in {"input", "select", "textarea"} and "hidden" not in element.attributes:
            assert has_label or element.attributes["id"] in labelled, element.attributes
        if element.tag in {"section", "dialog", "nav"}:
            assert has_label or element.attributes.get("id") == "read-only-note", element.attributes
        if element.tag == "img":
            assert "alt" in element.attributes
        if element.tag == "button":
            assert element.attributes["type"] in {"button", "submit"}


def test_variables_are_defined_and_used() -> None:
    defined = set(re.findall(r"^\s*(--[\w-]+):", sheets_text(), re.M))
    used = set(re.findall(r"var\((--[\w-]+)", sheets_text()))
    assert used == defined


def test_classes_of_the_sheets_are_used() -> None:
    styled = set(re.findall(r"\.([a-z][\w-]*)", re.sub(r"/\*.*?\*/", "", sheets_text(), flags=re.S)))
    elsewhere = PAGE.read_text(encoding="utf-8") + scripts_text()
    assert not {name for name in styled if not re.search(rf"[\"\s]{name}[\"\s]", elsewhere)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_stay_small_and_readable(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_LINES
    if path.suffix in {".js", ".css"}:
        assert max(map(len, lines)) <= MAX_COLUMNS


def test_the_whole_page_is_a_small_download() -> None:
    assert sum(path.stat().st_size for path in FILES) < MAX_TOTAL_BYTES


def tokens(scheme: str) -> dict[str, str]:
    """Colours by name, as #rrggbb; the dark scheme inherits what it does not change."""
    light, dark = (
        (STATIC / "css" / "tokens.css").read_text(encoding="utf-8").split("@media (prefers-color-scheme: dark)")
    )
    pattern = r"--([\w-]+): (#[0-9a-f]{6});"
    return dict(re.findall(pattern, light)) | (dict(re.findall(pattern, dark)) if scheme == "dark" else {})


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio, WCAG 2.2."""
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_contrast_of_known_colours() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable(scheme: str) -> None:
    """WCAG AA: 4.5:1 for text of any size."""
    colour = tokens(scheme)
    pairs = [
        *itertools.product(TEXTS, SURFACES),
        *((name, f"{name}-soft") for name in ("accent", "good", "warn", "bad")),
        ("text", "bad-soft"),
        ("on-accent", "accent"),
        ("on-accent", "accent-hover"),
    ]
    low = {pair: round(contrast(colour[pair[0]], colour[pair[1]]), 2) for pair in pairs}
    assert not {pair: ratio for pair, ratio in low.items() if ratio < 4.5}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_borders_of_fields_focus_and_marks_can_be_seen(scheme: str) -> None:
    """WCAG AA: 3:1 for what tells a control or carries meaning."""
    colour = tokens(scheme)
    marks = ("line-strong", "accent-ring", "good-mark", "bad-mark")
    low = {pair: round(contrast(colour[pair[0]], colour[pair[1]]), 2) for pair in itertools.product(marks, SURFACES)}
    assert not {pair: ratio for pair, ratio in low.items() if ratio < 3}


def test_both_schemes_and_less_motion_are_served() -> None:
    light, dark = tokens("light"), tokens("dark")
    assert light.keys() == dark.keys()
    assert light["page"] != dark["page"]
    assert "prefers-reduced-motion: reduce" in sheets_text()
    assert "prefers-reduced-motion: reduce" in scripts_text()
