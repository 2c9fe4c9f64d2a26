// The lines on the page, in blocks under the heads of their steps, and the gaps where lines are not loaded.

const BLOCK_LINES = 100;
const PAGE_LINES = 500;
const MOST_LINES = 150000;

export class Lines {
  constructor(panel, steps) {
    this.panel = panel;
    this.steps = steps;
    this.box = panel.querySelector("[data-log-lines]");
    this.empty = panel.querySelector("[data-log-empty]");
    this.count = this.box.querySelectorAll(".log-line").length;
    this.last = Number(panel.dataset.after);
    this.watchers = [];
    this.box.addEventListener("click", (event) => {
      const gap = event.target.closest(".log-gap");
      if (gap) { event.preventDefault(); this.loadEarlier(gap); }
      const summary = event.target.closest("summary");
      if (summary) summary.parentElement.dataset.touched = "yes";
    });
    this.box.addEventListener("toggle", (event) => this.opened(event.target), true);
    this.box.querySelectorAll(".log-group[open]").forEach((group) => this.opened(group));
  }

  // Called with the new elements whenever lines came.
  onLines(watcher) { this.watchers.push(watcher); }

  element(number) { return document.getElementById(`L${number}`); }

  // Add lines behind the last one. A hole in the numbers becomes a gap, so nothing is ever lost.
  append({ after, seq, lines }) {
    if (after > this.last) this.leaveOut(lines[0]?.step, this.last, after);
    let start = 0;
    const added = [];
    while (start < lines.length) {
      const block = this.lastBlock(lines[start].step);
      const room = BLOCK_LINES - block.childElementCount;
      let end = start;
      while (end < lines.length && end - start < room && lines[end].step === lines[start].step) end += 1;
      added.push(...fill(block, lines.slice(start, end)));
      block.classList.toggle("full", block.childElementCount >= BLOCK_LINES);
      start = end;
    }
    this.last = seq;
    this.count += added.length;
    this.empty.hidden = true;
    this.tell(added);
    if (this.count > MOST_LINES) this.forgetOldest();
  }

  // Put lines into the gap that they belong to, and leave smaller gaps around them.
  insert(gap, after, upto, lines) {
    const [from, to] = [Number(gap.dataset.after), Number(gap.dataset.upto)];
    const fragment = document.createDocumentFragment();
    if (after > from) fragment.append(makeGap(from, after, this.panel));
    const added = [];
    for (let start = 0; start < lines.length; start += BLOCK_LINES) {
      const block = makeBlock();
      added.push(...fill(block, lines.slice(start, start + BLOCK_LINES)));
      block.classList.toggle("full", block.childElementCount >= BLOCK_LINES);
      fragment.append(block);
    }
    if (upto < to) fragment.append(makeGap(upto, to, this.panel));
    gap.replaceWith(fragment);
    this.count += added.length;
    this.tell(added);
  }

  // The end of a gap is what stands next to what is already read.
  async loadEarlier(gap) {
    const [from, to] = [Number(gap.dataset.after), Number(gap.dataset.upto)];
    await this.load(gap, Math.max(from, to - PAGE_LINES));
  }

  async load(gap, after) {
    if (gap.dataset.loading) return;
    gap.dataset.loading = "yes";
    const to = Number(gap.dataset.upto);
    try {
      let page = await this.fetch({ after, limit: Math.min(PAGE_LINES, to - after) });
      if (page.lines[0]?.seq > after + 1) {
        // Lines were dropped here when the log was full. What is left of them is found from the other side.
        after = Number(gap.dataset.after);
        page = await this.fetch({ after, limit: PAGE_LINES });
      }
      const lines = page.lines.filter((line) => line.seq <= to);
      const height = this.box.scrollHeight;
      const above = gap.getBoundingClientRect().top < this.box.getBoundingClientRect().top + 40;
      this.insert(gap, after, lines.length ? lines[lines.length - 1].seq : to, lines);
      // What the reader looks at stays where it is when lines come in above.
      if (above) this.box.scrollTop += this.box.scrollHeight - height;
    } finally {
      delete gap.dataset.loading;
    }
  }

  async fetch(query) {
    const answer = await fetch(`${this.panel.dataset.pages}?${new URLSearchParams(query)}`, { headers: { Accept: "application/json" } });
    if (answer.redirected || !answer.ok) throw new Error(`The portal answered with ${answer.status}.`);
    return answer.json();
  }

  // Make sure that a line is on the page and open; null when there is no such line yet.
  async ensure(number) {
    if (!this.element(number)) {
      const gap = this.gapWith(number);
      if (!gap) return null;
      await this.load(gap, Math.max(Number(gap.dataset.after), number - 100));
    }
    const line = this.element(number);
    if (line) line.closest("details").open = true;
    return line;
  }

  // Load what the filter wants out of all gaps.
  async loadLevel(level) {
    let after = 0;
    for (;;) {
      const page = await this.fetch({ after, level, limit: PAGE_LINES });
      for (const line of page.lines) {
        const gap = this.gapWith(line.seq);
        if (gap) this.insert(gap, line.seq - 1, line.seq, [line]);
        this.element(line.seq)?.closest("details").setAttribute("open", "");
      }
      if (page.lines.length < PAGE_LINES) return;
      after = page.seq;
    }
  }

  gapWith(number) {
    return [...this.box.querySelectorAll(".log-gap")].find(
      (gap) => Number(gap.dataset.after) < number && number <= Number(gap.dataset.upto),
    );
  }

  lastBlock(step) {
    let group = this.box.lastElementChild;
    if (group?.dataset.step !== String(step)) {
      group = this.steps.head(step);
      this.box.append(group);
    }
    let block = group.lastElementChild;
    if (!block.classList.contains("log-block") || block.childElementCount >= BLOCK_LINES) {
      block = makeBlock();
      group.append(block);
    }
    return block;
  }

  leaveOut(step, after, upto) {
    const group = step === undefined ? this.box.lastElementChild : this.lastBlock(step).parentElement;
    group.append(makeGap(after, upto, this.panel));
  }

  // Keep the browser quick on logs without end: the oldest block becomes a gap again.
  forgetOldest() {
    const block = this.box.querySelector(".log-block.full");
    if (!block) return;
    const [first, last] = [numberOf(block.firstElementChild), numberOf(block.lastElementChild)];
    const before = block.previousElementSibling;
    this.count -= block.childElementCount;
    if (before?.classList.contains("log-gap")) {
      block.replaceWith(makeGap(Number(before.dataset.after), last, this.panel));
      before.remove();
    } else {
      block.replaceWith(makeGap(first - 1, last, this.panel));
    }
  }

  opened(group) {
    if (!group.open || group.querySelector(".log-line")) return;
    const gap = group.querySelector(".log-gap");
    if (gap) this.loadEarlier(gap);
  }

  tell(added) {
    if (added.length) this.watchers.forEach((watcher) => watcher(added));
  }
}

export function numberOf(line) { return Number(line.id.slice(1)); }

function fill(block, lines) {
  const elements = lines.map(makeLine);
  block.append(...elements);
  return elements;
}

function makeLine(line) {
  const row = document.createElement("div");
  row.className = `log-line ${line.level}`;
  row.id = `L${line.seq}`;
  row.dataset.t = line.t;
  const number = document.createElement("a");
  number.className = "log-number";
  number.href = `#L${line.seq}`;
  number.textContent = line.seq;
  const text = document.createElement("span");
  text.className = "log-text";
  for (const [classes, piece] of line.parts ?? [["", line.text]]) text.append(classes ? coloured(classes, piece) : piece);
  row.append(number, text);
  return row;
}

function coloured(classes, piece) {
  const span = document.createElement("span");
  span.className = classes;
  span.textContent = piece;
  return span;
}

function makeBlock() {
  const block = document.createElement("div");
  block.className = "log-block";
  return block;
}

function makeGap(after, upto, panel) {
  const gap = document.createElement("a");
  gap.className = "log-gap";
  gap.setAttribute("role", "button");
  gap.href = `${panel.dataset.pages}.txt`;
  gap.dataset.after = after;
  gap.dataset.upto = upto;
  gap.textContent = `${(upto - after).toLocaleString("en")} earlier lines`;
  return gap;
}
