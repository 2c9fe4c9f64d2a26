// The steps' states in the heads of their lines: mark, word and duration.

import { duration } from "../times.js";

const LOOKS = {
  pending: ["muted", "circle", "Pending"],
  running: ["info", "loader", "Running"],
  succeeded: ["good", "check", "Succeeded"],
  skipped: ["muted", "skip", "Skipped"],
  failed: ["bad", "x", "Failed"],
  undone: ["muted", "undo", "Undone"],
};
const SVG = "http://www.w3.org/2000/svg";

export class Steps {
  constructor(panel) {
    this.panel = panel;
    this.known = new Map();
    for (const [number, [title, status]] of Object.entries(JSON.parse(panel.dataset.steps))) {
      this.known.set(Number(number), { title, status });
    }
  }

  // Take a deployment_update; false when it says what was known.
  change(message) {
    const number = message.data.number;
    const before = this.known.get(number);
    const after = { title: message.step, status: message.status, started: message.data.started_at, finished: message.data.finished_at };
    // Everything is told again after a reconnect; "running" must not undo an end that we know.
    if (before && (before.status === after.status || (after.status === "running" && before.status !== "pending"))) {
      before.started ??= after.started;
      return false;
    }
    this.known.set(number, after);
    this.panel.querySelectorAll(`.log-group[data-step="${number}"]`).forEach((group) => this.show(group, after));
    return true;
  }

  // The head for lines of a step whose first line has just come.
  head(number) {
    const step = this.known.get(number) ?? { title: `Step ${number}`, status: "running" };
    const group = document.createElement("details");
    group.className = "log-group";
    group.dataset.step = number;
    const summary = document.createElement("summary");
    summary.append(part("log-mark"), part("log-step", step.title), part("log-state"), part("log-took"));
    group.append(summary);
    this.show(group, step, true);
    return group;
  }

  show(group, step, isNew = false) {
    const [tone, icon, word] = LOOKS[step.status] ?? LOOKS.pending;
    group.className = `log-group ${tone}`;
    group.querySelector(".log-mark").replaceChildren(this.icon(icon));
    group.querySelector(".log-state").textContent = word;
    this.showTime(group.querySelector(".log-took"), step);
    if (isNew || !group.dataset.touched) group.open = isNew || step.status === "running" || step.status === "failed";
  }

  // A running step counts up each second by the server's clock; times.js does the counting.
  showTime(place, step) {
    if (!step.started) return;
    const began = Date.parse(step.started);
    if (step.finished) {
      place.textContent = duration((Date.parse(step.finished) - began) / 1000);
      return;
    }
    const counting = part("");
    const offset = Number(this.panel.dataset.offset ?? 0);
    counting.dataset.runningSeconds = "0";
    counting.dataset.began = String(began - offset);
    counting.textContent = duration((Date.now() + offset - began) / 1000);
    place.replaceChildren(counting);
  }

  icon(name) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", name === "loader" ? "icon spins" : "icon");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS(SVG, "use");
    use.setAttribute("href", `${this.panel.dataset.icons}#${name}`);
    svg.append(use);
    return svg;
  }
}

function part(name, text = "") {
  const span = document.createElement("span");
  if (name) span.className = name;
  span.textContent = text;
  return span;
}
