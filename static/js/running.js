// The log of what runs: follows its end until the reader looks elsewhere, stops asking while nobody looks.
// htmx brings the lines; this only scrolls, holds and forgets.

const NEAR_END_PX = 24;
const MOST_LINES = 5000;

function start(panel) {
  panel.querySelectorAll("[data-needs-script]").forEach((element) => { element.hidden = false; });
  const box = panel.querySelector("[data-running-lines]");
  startWrap(panel);
  panel.querySelectorAll("[data-running-submit]").forEach((field) => {
    field.addEventListener("change", () => field.form.requestSubmit());
  });
  box.scrollTop = box.scrollHeight;
  const button = panel.querySelector("[data-running-follow]");
  if (button) new Follower(panel, box, button).start();
}

class Follower {
  constructor(panel, box, button) {
    [this.panel, this.box, this.button] = [panel, box, button];
    this.latest = panel.querySelector("[data-running-latest]");
    this.status = panel.querySelector("[data-running-status]");
    this.asking = true;
    this.atEnd = true;
  }

  start() {
    this.button.addEventListener("click", () => this.toggle());
    this.latest.addEventListener("click", () => this.toEnd());
    this.box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.box.addEventListener("htmx:beforeRequest", (event) => {
      if (!this.asking || document.hidden) event.preventDefault();
    });
    this.box.addEventListener("htmx:sendError", () => this.say("Reconnecting…"));
    this.box.addEventListener("htmx:responseError", () => this.say("Reconnecting…"));
    this.box.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) this.say(""); });
    // The element that was swapped is gone by now, so its events end at the document.
    document.body.addEventListener("htmx:afterSwap", () => this.taken());
  }

  toggle() {
    this.asking = !this.asking;
    this.button.setAttribute("aria-pressed", String(this.asking));
    this.say(this.asking ? "" : "Paused");
    if (this.asking) this.toEnd();
  }

  taken() {
    const lines = this.box.querySelectorAll(".log-line");
    if (lines.length) this.box.querySelector("[data-running-empty]")?.remove();
    for (let number = 0; number < lines.length - MOST_LINES; number += 1) lines[number].remove();
    if (this.atEnd) this.toEnd();
    else this.latest.hidden = false;
  }

  scrolled() {
    this.atEnd = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < NEAR_END_PX;
    if (this.atEnd) this.latest.hidden = true;
  }

  toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
    this.atEnd = true;
    this.latest.hidden = true;
  }

  say(text) {
    if (!this.asking && !text) return;
    if (this.status.textContent !== text) this.status.textContent = text;
  }
}

function startWrap(panel) {
  const button = panel.querySelector("[data-running-wrap]");
  button.addEventListener("click", () => {
    const on = panel.classList.toggle("wraps");
    button.setAttribute("aria-pressed", String(on));
  });
}

const panel = document.querySelector("[data-running]");
if (panel) start(panel);
