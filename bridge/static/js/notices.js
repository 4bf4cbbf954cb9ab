// Messages that must not be missed: refusals and failures of what somebody asked for. They stay until dismissed.

import { byId, element, icon, setText } from "./element.js";

const MOST = 3;

export class Notices {
  #root = byId("notices");
  #announcer = byId("announcer");

  /** One notice per topic: a later one of the same topic replaces it. action: {label, run} or null. */
  show(topic, title, detail, action = null) {
    this.clear(topic);
    const close = () => this.clear(topic);
    const notice = element(
      "div",
      { class: "notice", role: "alert", "data-testid": "notice", "data-topic": topic },
      icon("alert"),
      element(
        "div",
        { class: "notice-text" },
        element("p", { class: "notice-title", text: title }),
        detail ? element("p", { class: "notice-detail", text: detail }) : null,
        action
          ? element("button", {
              class: "button small",
              type: "button",
              text: action.label,
              click: () => {
                close();
                action.run();
              },
            })
          : null,
      ),
      element(
        "button",
        { class: "button quiet small square", type: "button", "aria-label": "Dismiss", click: close },
        icon("close"),
      ),
    );
    this.#root.append(notice);
    while (this.#root.children.length > MOST) this.#root.firstElementChild.remove();
  }

  clear(topic) {
    for (const notice of [...this.#root.children]) if (notice.dataset.topic === topic) notice.remove();
  }

  /** Said to screen readers alone. */
  announce(text) {
    setText(this.#announcer, text);
  }
}
