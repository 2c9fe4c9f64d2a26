// Copies lines as plain text: no numbers, no times, no colours.

export function startCopying(panel) {
  const box = panel.querySelector("[data-log-lines]");
  const button = panel.querySelector("[data-log-copy]");
  // The page's own copy button takes the text from here, just before it is needed.
  button.addEventListener("click", () => { button.dataset.copy = selected(box) || shown(box); });
  // Pressing the button must not end the selection that it is about.
  button.addEventListener("mousedown", (event) => event.preventDefault());
  box.addEventListener("copy", (event) => {
    const text = selected(box);
    if (!text) return;
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  });
}

function shown(box) {
  return [...box.querySelectorAll(".log-group[open] .log-line")]
    .filter((line) => line.checkVisibility?.({ contentVisibilityAuto: false }) ?? line.offsetParent)
    .map(textOf)
    .join("\n");
}

function selected(box) {
  const selection = getSelection();
  if (selection.isCollapsed || !selection.rangeCount) return "";
  const range = selection.getRangeAt(0);
  if (!box.contains(range.commonAncestorContainer)) return "";
  const lines = [...box.querySelectorAll(".log-line")].filter((line) => range.intersectsNode(line));
  return lines.map((line) => within(line.querySelector(".log-text"), range)).join("\n");
}

// The part of a line that is selected.
function within(text, range) {
  const part = document.createRange();
  part.selectNodeContents(text);
  if (range.compareBoundaryPoints(Range.START_TO_START, part) > 0 && text.contains(range.startContainer)) part.setStart(range.startContainer, range.startOffset);
  if (range.compareBoundaryPoints(Range.END_TO_END, part) < 0 && text.contains(range.endContainer)) part.setEnd(range.endContainer, range.endOffset);
  return part.toString();
}

function textOf(line) { return line.querySelector(".log-text").textContent; }
