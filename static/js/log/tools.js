// Filter, times, wrapping and full screen. What a person chose is remembered in this browser.

const TIMES = ["off", "clock", "seconds"];

export function startTools(panel, lines) {
  startFilter(panel, lines);
  startTimes(panel, lines);
  startSwitch(panel.querySelector("[data-log-wrap]"), "log-wrap", (on) => panel.classList.toggle("wraps", on));
  startFullScreen(panel);
}

function startFilter(panel, lines) {
  const filter = panel.querySelector("[data-log-filter]");
  filter.addEventListener("change", () => {
    panel.dataset.filter = filter.value;
    if (filter.value) lines.loadLevel(filter.value);
  });
}

function startTimes(panel, lines) {
  const start = Date.parse(panel.dataset.start) || 0;
  let shown = remembered("log-times", TIMES, "off");

  const write = (line) => {
    const at = Number(line.dataset.t);
    line.dataset.at = shown === "clock" ? clock(at) : `${((at - (start || at)) / 1000).toFixed(1)} s`;
  };
  const show = () => {
    panel.dataset.times = shown;
    panel.querySelector("[data-log-times] span").textContent = { off: "Times", clock: "Clock", seconds: "Seconds" }[shown];
    if (shown !== "off") lines.box.querySelectorAll(".log-line").forEach(write);
  };
  panel.querySelector("[data-log-times]").addEventListener("click", () => {
    shown = TIMES[(TIMES.indexOf(shown) + 1) % TIMES.length];
    remember("log-times", shown);
    show();
  });
  lines.onLines((added) => { if (shown !== "off") added.forEach(write); });
  show();
}

function clock(at) {
  const time = new Date(at);
  const two = (number) => String(number).padStart(2, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

function startSwitch(button, key, apply) {
  let on = remembered(key, ["on", "off"], "off") === "on";
  const show = () => {
    button.setAttribute("aria-pressed", String(on));
    apply(on);
  };
  button.addEventListener("click", () => {
    on = !on;
    remember(key, on ? "on" : "off");
    show();
  });
  show();
}

function startFullScreen(panel) {
  const button = panel.querySelector("[data-log-full]");
  const set = (on) => {
    panel.classList.toggle("is-full", on);
    document.documentElement.classList.toggle("has-full-log", on);
    button.setAttribute("aria-pressed", String(on));
  };
  button.addEventListener("click", () => set(!panel.classList.contains("is-full")));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") set(false);
    if (event.key !== "f" || event.target.closest("input, textarea, select, [contenteditable]")) return;
    set(!panel.classList.contains("is-full"));
  });
}

function remembered(key, allowed, otherwise) {
  try {
    const value = localStorage.getItem(key);
    return allowed.includes(value) ? value : otherwise;
  } catch {
    return otherwise;
  }
}

function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Without storage it is just not remembered.
  }
}
