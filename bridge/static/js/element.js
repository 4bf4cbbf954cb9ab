// Elements of the page. Text from outside becomes text, never markup.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = new URL("../icons.svg", import.meta.url).href;

/** The element with that id. A missing one is a mistake in index.html. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no element with id "${id}"`);
  return found;
}

/** A new element. attributes: "text" is its text, a function is a listener, null and false leave the attribute out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") made.textContent = value;
    else if (typeof value === "function") made.addEventListener(name, value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${ICONS}#${name}`);
  svg.append(use);
  return svg;
}

/** Shows another icon in a <use>; the same one again would be fetched again. */
export function setIcon(use, name) {
  const href = `${ICONS}#${name}`;
  if (use.getAttribute("href") !== href) use.setAttribute("href", href);
}

/** Sets the text only where it differs, so that nothing is announced or laid out twice. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** A line of short facts, each of which stays in one piece. */
export function setFacts(target, facts) {
  const shown = facts.filter(Boolean);
  const before = [...target.children].map((child) => child.textContent);
  if (before.join("\n") === shown.join("\n")) return;
  target.replaceChildren(...shown.map((fact) => element("span", { class: "fact", text: fact })));
}

export function setHidden(target, hidden) {
  if (target.hidden !== hidden) target.hidden = hidden;
}
