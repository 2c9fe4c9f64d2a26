// Follows the end of the log until the reader looks elsewhere, and holds new lines back while paused.

const NEAR_END_PX = 24;
const UPWARD_KEYS = new Set(["PageUp", "Home", "ArrowUp"]);
const HELD_LINES = 5000;

export class Follower {
  constructor(panel, lines) {
    this.panel = panel;
    this.lines = lines;
    this.box = lines.box;
    this.following = false;
    this.missed = 0;
    this.lastTop = 0;
    this.waiting = [];
    this.held = null;
    this.latest = panel.querySelector("[data-log-latest]");
    this.button = panel.querySelector("[data-log-pause]");
    this.listen();
  }

  listen() {
    this.box.addEventListener("wheel", (event) => { if (event.deltaY < 0) this.stop(); }, { passive: true });
    this.box.addEventListener("touchmove", () => this.stopUnlessAtEnd(), { passive: true });
    this.box.addEventListener("keydown", (event) => { if (UPWARD_KEYS.has(event.key)) this.stop(); });
    this.box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.latest.addEventListener("click", () => { if (this.held) this.pause(); this.follow(); });
    this.button.addEventListener("click", () => this.pause());
  }

  // A running deployment is followed, unless the address names a line.
  begin(links) {
    if (links.wanted) links.show();
    else this.follow();
  }

  // A finished one shows its first error, or the line of the address.
  showEnd(links) {
    this.button.hidden = true;
    const error = Number(this.panel.dataset.error);
    if (links.wanted) links.show();
    else if (error) this.showError(error);
  }

  finish() {
    if (this.held) this.pause();
    this.button.hidden = true;
    this.flush();
    const failed = this.box.querySelector(".log-group.bad .log-line.error");
    if (failed && this.following) this.showError(Number(failed.id.slice(1)));
  }

  async showError(number) {
    this.stop();
    const line = await this.lines.ensure(number);
    if (!line) return;
    line.classList.add("first-error");
    this.box.scrollTop += line.getBoundingClientRect().top - this.box.getBoundingClientRect().top - this.box.clientHeight / 3;
  }

  // New lines of the socket: into the page with the next picture, or held while paused.
  take(message) {
    if (this.held) {
      this.hold(message);
      return;
    }
    this.waiting.push(message);
    if (document.hidden) this.flush();
    else this.drawing ??= requestAnimationFrame(() => this.flush());
  }

  flush() {
    cancelAnimationFrame(this.drawing);
    this.drawing = null;
    const messages = this.waiting;
    this.waiting = [];
    if (!messages.length) return;
    for (const message of messages) {
      this.lines.append(message);
      if (!this.following) this.missed += message.lines.length;
    }
    if (this.following) this.toEnd();
    this.showLatest();
  }

  hold(message) {
    this.held.push(message);
    this.missed += message.lines.length;
    this.heldLines += message.lines.length;
    // More than this is fetched again when it is wanted: the hole in the numbers becomes a gap.
    while (this.heldLines > HELD_LINES) this.heldLines -= this.held.shift().lines.length;
    this.showLatest();
  }

  pause() {
    const paused = !this.held;
    this.button.setAttribute("aria-pressed", String(paused));
    this.button.textContent = paused ? "Resume" : "Pause";
    this.panel.classList.toggle("is-paused", paused);
    if (paused) {
      this.flush();
      [this.held, this.heldLines] = [[], 0];
      this.stop();
      return;
    }
    this.waiting.push(...this.held);
    this.held = null;
    this.follow();
    this.flush();
  }

  follow() {
    this.following = true;
    this.missed = 0;
    this.toEnd();
    this.showLatest();
  }

  stop() {
    if (this.following && this.box.scrollHeight <= this.box.clientHeight && !this.held) return;
    this.following = false;
    this.showLatest();
  }

  stopUnlessAtEnd() { if (!this.atEnd()) this.stop(); }

  scrolled() {
    const movedDown = this.box.scrollTop > this.lastTop;
    if (this.atEnd()) {
      // Only on the way down: a slow finger on its way up is near the end as well.
      if (movedDown && !this.following && !this.held && !this.panel.dataset.finished) this.follow();
    } else if (this.following && this.box.scrollTop < this.lastTop - 2) {
      // Moved up by other means, such as the scroll bar.
      this.stop();
    }
    this.lastTop = this.box.scrollTop;
  }

  atEnd() { return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < NEAR_END_PX; }

  toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
    this.lastTop = this.box.scrollTop;
  }

  showLatest() {
    const show = !this.following && (this.missed > 0 || (!this.atEnd() && !this.panel.dataset.finished));
    this.latest.hidden = !show;
    if (show) this.latest.textContent = this.missed ? `Jump to latest (${this.missed.toLocaleString("en")} new)` : "Jump to latest";
  }
}
