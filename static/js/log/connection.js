// Brings new lines: by a socket that comes back by itself, or by asking every two seconds where none gets through.

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 8000;
const TRIES_BEFORE_POLLING = 3;
const POLL_MS = 2000;
const SOCKET_AGAIN_MS = 30000;
const PING_MS = 20000;
const SILENCE_MS = 50000;
const ACK_BYTES = 32 * 1024;
const ACK_SOON_MS = 20;
const ACK_LATER_MS = 250;

export class Connection {
  constructor(panel, handlers) {
    this.panel = panel;
    this.handlers = handlers;
    this.status = panel.querySelector("[data-log-connection]");
    this.last = Number(panel.dataset.after);
    this.failures = 0;
    this.finished = false;
    this.unacknowledged = 0;
    this.polling = false;
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.hurry(); });
    setInterval(() => this.ping(), PING_MS);
  }

  open() {
    clearTimeout(this.retry);
    if (this.finished) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.panel.dataset.socket}?after=${this.last}`);
    this.socket = socket;
    this.heard = Date.now();
    socket.onmessage = (event) => { if (socket === this.socket) this.hear(event.data); };
    socket.onclose = () => { if (socket === this.socket) this.lost(); };
  }

  hear(text) {
    this.heard = Date.now();
    const message = JSON.parse(text);
    if (message.type === "connected") this.connected(message);
    else if (message.type === "log") this.takeLines(message, text.length);
    else this.takeNews(message);
  }

  connected(message) {
    this.failures = 0;
    this.polling = false;
    clearTimeout(this.asking);
    this.panel.dataset.now = message.now;
    this.panel.dataset.offset = Date.parse(message.now) - Date.now();
    this.say("", "live");
  }

  takeLines(message, size) {
    // What was sent again after a reconnect is there already.
    const fresh = message.lines.filter((line) => line.seq > this.last);
    if (fresh.length) this.handlers.take({ after: Math.max(message.after, this.last), seq: message.seq, lines: fresh });
    this.last = Math.max(this.last, message.seq);
    if (size) this.acknowledge(size);
  }

  takeNews(message) {
    if (message.type === "deployment_update") this.handlers.step(message);
    if (message.type !== "deployment_complete" && message.type !== "deployment_error") return;
    this.finished = true;
    this.say("", "");
    clearTimeout(this.asking);
    clearTimeout(this.retry);
    this.socket?.close();
    this.handlers.end(message);
  }

  // Not for every message: the server goes on as long as it hears of us now and then.
  acknowledge(size) {
    this.unacknowledged += size;
    const wait = this.unacknowledged >= ACK_BYTES ? ACK_SOON_MS : ACK_LATER_MS;
    if (this.acknowledging && wait >= this.acknowledgingIn) return;
    clearTimeout(this.acknowledging);
    this.acknowledgingIn = wait;
    // A hidden tab's timers may sleep for a minute; the server would think that we do not read.
    if (document.hidden) this.acknowledgeNow();
    else this.acknowledging = setTimeout(() => this.acknowledgeNow(), wait);
  }

  acknowledgeNow() {
    this.acknowledging = null;
    this.unacknowledged = 0;
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type: "ack", seq: this.last }));
  }

  lost() {
    if (this.finished) return;
    this.failures += 1;
    this.panel.dataset.connection = "lost";
    if (!this.polling) this.say("Reconnecting…", "lost");
    if (this.failures >= TRIES_BEFORE_POLLING && !this.polling) {
      this.polling = true;
      this.ask();
    }
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (this.failures - 1));
    const wait = this.polling ? SOCKET_AGAIN_MS : delay * (0.75 + Math.random() / 2);
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.open(), wait);
  }

  // The same lines over HTTP.
  async ask() {
    clearTimeout(this.asking);
    if (this.finished || !this.polling) return;
    let more = false;
    try {
      const answer = await fetch(`${this.panel.dataset.pages}?after=${this.last}`, { headers: { Accept: "application/json" } });
      if (answer.redirected || !answer.ok) throw new Error(String(answer.status));
      const page = await answer.json();
      if (!this.polling) return;
      this.say("Updating every 2 s", "polling");
      this.takeLines(page, 0);
      page.steps.forEach((step) => this.handlers.step(step));
      more = page.lines.length > 0 && page.seq < page.count;
      if (page.end && !more) this.takeNews(page.end);
    } catch {
      // The server itself is away: it is the socket that will find it again first.
      this.say("Reconnecting…", "lost");
      if (!this.finished) this.againSoon();
    }
    if (!this.finished) this.asking = setTimeout(() => this.ask(), more ? 0 : POLL_MS);
  }

  againSoon() {
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.open(), POLL_MS);
  }

  // Back from sleep, or from another tab: do not wait for the timer.
  hurry() {
    if (this.finished || this.socket?.readyState === WebSocket.OPEN || this.socket?.readyState === WebSocket.CONNECTING) return;
    this.open();
  }

  ping() {
    if (this.finished || this.socket?.readyState !== WebSocket.OPEN) return;
    if (Date.now() - this.heard > SILENCE_MS) {
      const socket = this.socket;
      this.socket = null;
      socket.close();
      this.lost();
      return;
    }
    this.socket.send(JSON.stringify({ type: "ping" }));
  }

  say(text, state) {
    if (this.status.textContent !== text) this.status.textContent = text;
    this.panel.dataset.connection = state;
  }
}
