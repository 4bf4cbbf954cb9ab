// The lines that load a dataset in LeRobot, and their copy button.

import { byId, setText } from "./element.js";

const SAID_MS = 2000;

/** A Python string literal. */
function quoted(text) {
  return JSON.stringify(text);
}

export class Snippet {
  #root = byId("snippet");
  #label = byId("snippet-copy-label");

  constructor() {
    byId("snippet-copy").addEventListener("click", () => this.#copy());
  }

  /** path: of the dataset's folder on the service's machine. */
  show(name, path) {
    const id = `isaac-collect/${name.split("/").pop()}`;
    const lines = [
      "from lerobot.datasets.lerobot_dataset import LeRobotDataset",
      "",
      `dataset = LeRobotDataset(${quoted(id)}, root=${quoted(path)})`,
    ];
    setText(this.#root, lines.join("\n"));
  }

  async #copy() {
    setText(this.#label, (await this.#toClipboard()) ? "Copied" : "Selected");
    setTimeout(() => setText(this.#label, "Copy"), SAID_MS);
  }

  /** Without HTTPS there is no clipboard; then the text is at least selected, and copied the old way. */
  async #toClipboard() {
    try {
      await navigator.clipboard.writeText(this.#root.textContent);
      return true;
    } catch {
      getSelection().selectAllChildren(this.#root);
      return document.execCommand("copy");
    }
  }
}
