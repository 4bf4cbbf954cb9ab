"""What a page owes to those who see little, type or have a screen reader: looked up in the page that is shown."""

from __future__ import annotations

from browser_page import Page

COLOUR_SCHEMES = ("light", "dark")
NAMED = (
    "a[href], button, input, select, summary, textarea, video, canvas, dialog, fieldset, table, "
    "[role=group], [role=region], [role=progressbar]"
)

_AUDIT = """
  const root = document.querySelector("dialog[open]") ?? document.body;
  const visible = (part) => part.checkVisibility({opacityProperty: true, visibilityProperty: true});
  const clipped = (part) => part.closest(".visually-hidden, .skip-link");
  const name = (part) => part.outerHTML.slice(0, 120);
  const problems = [];

  const pixel = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const paint = (colours) => {
    pixel.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
      pixel.fillStyle = colour;
      pixel.fillRect(0, 0, 1, 1);
    }
    return [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => {
    const linear = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = rgb.map((value) => linear(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const backgrounds = (part) => {
    const colours = [];
    for (let at = part; at; at = at.parentElement) colours.unshift(getComputedStyle(at).backgroundColor);
    return colours;
  };
  const check = (part, text) => {
    if (!visible(part) || clipped(part) || part.closest(":disabled, [aria-hidden=true]")) return;
    const style = getComputedStyle(part);
    const size = parseFloat(style.fontSize);
    const wanted = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const onVideo = part.closest("[data-testid=live-stage]");  // whatever the camera sees
    const below = onVideo ? ["black", "white"] : ["white"];
    for (const base of below) {
      const behind = [base, ...backgrounds(part)];
      const found = contrast(paint([...behind, style.color]), paint(behind));
      if (found < wanted) problems.push(`contrast ${found.toFixed(2)} of "${text.trim()}" in ${name(part)}`);
    }
  };
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  let checked = 0;
  while (texts.nextNode()) {
    if (!texts.currentNode.data.trim()) continue;
    check(texts.currentNode.parentElement, texts.currentNode.data);
    checked += 1;
  }
  for (const input of root.querySelectorAll("input:not([type=range], [type=checkbox], [type=radio]), select")) {
    if (input.value) check(input, input.value);
  }
  if (checked < 2) problems.push(`only ${checked} texts on the page`);

  const ids = [...document.querySelectorAll("[id]")].map((part) => part.id);
  for (const id of ids.filter((id, i) => ids.indexOf(id) !== i)) problems.push(`id ${id} twice`);
  for (const part of document.querySelectorAll("[aria-labelledby], [aria-describedby], [aria-controls], label[for]")) {
    for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls", "for"]) {
      for (const id of (part.getAttribute(attribute) ?? "").split(" ").filter(Boolean)) {
        if (!document.getElementById(id)) problems.push(`${attribute} without its element: ${name(part)}`);
      }
    }
  }
  for (const image of root.querySelectorAll("img:not([alt])")) problems.push(`no alt: ${name(image)}`);
  if (!document.documentElement.lang) problems.push("no language");
  if (document.querySelectorAll("h1").length !== 1) problems.push("not one h1");
  let level = root === document.body ? 0 : 1;
  for (const heading of [...root.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter((part) => part.checkVisibility())) {
    if (Number(heading.tagName[1]) > level + 1) problems.push(`a level left out before ${name(heading)}`);
    level = Number(heading.tagName[1]);
  }
  const pressed = "button:enabled:not(.link), input:enabled:not([type=range]), select:enabled, summary";
  for (const part of root.querySelectorAll(pressed)) {
    const {width, height} = (part.closest("label") ?? part).getBoundingClientRect();
    const small = visible(part) && Math.min(width, height) < 23.5;
    if (small) problems.push(`${width} x ${height} px is small: ${name(part)}`);
  }
  return [problems, [...root.querySelectorAll(arguments[0])].filter(visible)];
"""


def assert_accessible(page: Page) -> None:
    """Of what is shown now, in light and in dark colours: contrast (WCAG 2.2, 1.4.3), names (4.1.2), size of what is
    pressed (2.5.8), references between elements, order of headings."""
    problems = []
    for scheme in COLOUR_SCHEMES:
        page.emulate_colours(scheme)
        page.finish_animations()
        found, named = page.run(_AUDIT, NAMED)
        problems += [f"{scheme}: {problem}" for problem in found]
    problems += [f"no name: {part.get_attribute('outerHTML')[:120]}" for part in named if not part.accessible_name]
    page.emulate_colours("light")
    assert not problems, "\n".join(problems)
