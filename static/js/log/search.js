// Finds text in the whole log, also in what is folded or not loaded, and goes from hit to hit.

import { toMiddle } from "./links.js";

const TYPING_MS = 250;
const FRESH_MS = 2000;

export function startSearch(panel, lines) {
  const field = panel.querySelector("[data-log-find]");
  const found = panel.querySelector("[data-log-found]");
  let [text, numbers, current, asked, typing] = ["", [], -1, 0, 0];

  async function search() {
    text = field.value;
    asked = Date.now();
    [numbers, current] = [[], -1];
    if (text) {
      const mine = text;
      const answer = await lines.fetch({ find: text });
      if (mine !== field.value) return;
      numbers = answer.numbers;
    }
    say();
  }

  async function go(step) {
    // A log that is still being written may hold more by now; the place in the list stays.
    if (field.value !== text || (!panel.dataset.finished && Date.now() - asked > FRESH_MS)) {
      const before = field.value === text ? numbers[current] : undefined;
      await search();
      current = before === undefined ? -1 : numbers.indexOf(before);
    }
    if (!numbers.length) return;
    current = (current + step + (current < 0 && step < 0 ? 1 : 0) + numbers.length) % numbers.length;
    const line = await lines.ensure(numbers[current]);
    panel.querySelectorAll(".log-line.hit").forEach((other) => other.classList.remove("hit"));
    if (line) {
      line.classList.add("hit");
      highlight(line, text);
      toMiddle(lines.box, line);
    }
    say();
  }

  function say() {
    if (!text) found.textContent = "";
    else if (!numbers.length) found.textContent = "Nothing found";
    else found.textContent = `${current < 0 ? "" : `${current + 1} of `}${numbers.length}${numbers.length >= 1000 ? "+" : ""}`;
    if (!text) clear(panel);
  }

  field.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(search, TYPING_MS);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      clearTimeout(typing);
      go(event.shiftKey ? -1 : 1);
    }
    if (event.key === "Escape" && field.value) {
      event.stopPropagation();
      field.value = "";
      search();
    }
  });
}

// The words themselves are coloured where the browser can do it without touching the text.
function highlight(line, text) {
  if (!globalThis.Highlight) return;
  const ranges = [];
  const wanted = text.toLowerCase();
  const walker = document.createTreeWalker(line.querySelector(".log-text"), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const content = node.data.toLowerCase();
    for (let at = content.indexOf(wanted); at >= 0; at = content.indexOf(wanted, at + wanted.length)) {
      const range = new Range();
      range.setStart(node, at);
      range.setEnd(node, Math.min(node.length, at + wanted.length));
      ranges.push(range);
    }
  }
  CSS.highlights.set("log-found", new Highlight(...ranges));
}

function clear(panel) {
  globalThis.CSS?.highlights?.delete("log-found");
  panel.querySelectorAll(".log-line.hit").forEach((line) => line.classList.remove("hit"));
}
