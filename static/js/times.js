// Relative times, and durations that count up. The server writes the absolute ones.

const UNITS = [["day", 86400], ["h", 3600], ["min", 60]];
const EVERY_MS = 1000;

export function startTimes() {
  refresh();
  setInterval(refresh, EVERY_MS);
  document.addEventListener("htmx:afterSwap", refresh);
}

export function relative(seconds) {
  const ahead = seconds < 0;
  const size = Math.abs(seconds);
  if (size < 10) return ahead ? "in a moment" : "just now";
  let text = `${Math.floor(size)} s`;
  for (const [name, length] of UNITS) {
    if (size >= length) {
      const count = Math.floor(size / length);
      text = `${count} ${name}${name === "day" && count > 1 ? "s" : ""}`;
      break;
    }
  }
  return ahead ? `in ${text}` : `${text} ago`;
}

// The same form as the template filter: 42s, 1m 42s, 2h 03m.
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`;
}

function refresh() {
  const now = Date.now();
  document.querySelectorAll("time[data-relative]").forEach((element) => {
    if (!element.dataset.local) {
      const local = new Date(element.dateTime);
      element.title += ` · ${local.toLocaleString()} local`;
      element.dataset.local = "yes";
    }
    set(element, relative((now - Date.parse(element.dateTime)) / 1000));
  });
  // The server's clock and ours may differ: data-since-seconds is what it was when the page was made.
  document.querySelectorAll("[data-running-seconds]").forEach((element) => {
    element.dataset.began ??= String(now - Number(element.dataset.runningSeconds) * 1000);
    set(element, duration((now - Number(element.dataset.began)) / 1000));
  });
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
