// Shows the state of a deployment in the tab's title and icon, and says changes of steps aloud.

const COLOURS = { good: "#16a34a", bad: "#dc2f22", warn: "#d98208", info: "#2f6df3", muted: "#8a92a1" };

let last = "";

function show() {
  const state = document.getElementById("deployment-state");
  if (!state) return;
  document.title = state.dataset.title;
  icon(COLOURS[state.dataset.tone] ?? COLOURS.muted);
  const announcer = document.getElementById("announcer");
  if (announcer && last && last !== state.dataset.say) announcer.textContent = state.dataset.say;
  last = state.dataset.say;
}

function icon(colour) {
  const drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="${colour}"/></svg>`;
  document.querySelector("link[rel=icon]").href = `data:image/svg+xml,${encodeURIComponent(drawing)}`;
}

show();
document.addEventListener("htmx:afterSwap", show);
document.addEventListener("htmx:oobAfterSwap", show);
