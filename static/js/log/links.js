// Every line number is a link; a shift-click makes a range. The line of the address is shown and marked.

import { numberOf } from "./lines.js";

const LINK = /^#L(\d{1,9})(?:-L(\d{1,9}))?$/;

export function startLinks(panel, lines, follower) {
  const links = {
    wanted: parse(location.hash),
    async show() {
      if (!links.wanted) return;
      follower.stop();
      const [first] = links.wanted;
      const line = await lines.ensure(first);
      mark(lines, links.wanted);
      if (line) toMiddle(lines.box, line);
      // A line that is still to come is shown when it comes.
      links.waiting = !line;
    },
  };
  lines.box.addEventListener("click", (event) => {
    const number = event.target.closest(".log-number");
    if (!number) return;
    event.preventDefault();
    const clicked = numberOf(number.parentElement);
    const start = event.shiftKey && links.wanted ? links.wanted[0] : clicked;
    links.wanted = [Math.min(start, clicked), Math.max(start, clicked)];
    history.replaceState(null, "", name(links.wanted));
    follower.stop();
    mark(lines, links.wanted);
  });
  addEventListener("hashchange", () => {
    links.wanted = parse(location.hash);
    mark(lines, links.wanted);
    links.show();
  });
  lines.onLines((added) => {
    if (!links.wanted) return;
    for (const line of added) line.classList.toggle("marked", inside(numberOf(line), links.wanted));
    if (links.waiting && lines.element(links.wanted[0])) links.show();
  });
  return links;
}

export function toMiddle(box, line) {
  const [inner, outer] = [line.getBoundingClientRect(), box.getBoundingClientRect()];
  box.scrollTop += inner.top - outer.top - (box.clientHeight - inner.height) / 2;
  if (outer.top < 0 || outer.bottom > innerHeight) box.scrollIntoView({ block: "nearest" });
}

function parse(hash) {
  const match = LINK.exec(hash);
  if (!match) return null;
  const [first, second] = [Number(match[1]), Number(match[2] ?? match[1])];
  return [Math.min(first, second), Math.max(first, second)];
}

function name([first, last]) { return first === last ? `#L${first}` : `#L${first}-L${last}`; }

function inside(number, [first, last]) { return first <= number && number <= last; }

function mark(lines, wanted) {
  lines.box.querySelectorAll(".log-line.marked").forEach((line) => line.classList.remove("marked"));
  if (!wanted) return;
  lines.box.querySelectorAll(".log-line").forEach((line) => {
    if (inside(numberOf(line), wanted)) line.classList.add("marked");
  });
}
