// Makes the log panel live: new lines, following, links to lines, search, filter, times, wrap, full screen.
// Lines become text nodes with classes; nothing that a log holds is ever read as HTML.

import { Connection } from "./log/connection.js";
import { startCopying } from "./log/copying.js";
import { Follower } from "./log/follow.js";
import { Lines } from "./log/lines.js";
import { startLinks } from "./log/links.js";
import { startSearch } from "./log/search.js";
import { Steps } from "./log/steps.js";
import { startTools } from "./log/tools.js";

function start(panel) {
  panel.querySelectorAll("[data-needs-script]").forEach((element) => { element.hidden = false; });
  const steps = new Steps(panel);
  const lines = new Lines(panel, steps);
  const follower = new Follower(panel, lines);
  const links = startLinks(panel, lines, follower);
  startSearch(panel, lines, links);
  startCopying(panel);
  startTools(panel, lines);
  if (panel.dataset.finished) {
    follower.showEnd(links);
    return;
  }
  follower.begin(links);
  const connection = new Connection(panel, {
    take: (message) => follower.take(message),
    step: (message) => { if (steps.change(message)) tell("deployment-step", message); },
    end: (message) => {
      panel.dataset.finished = "yes";
      follower.finish();
      tell("deployment-finished", message);
    },
  });
  connection.open();
}

function tell(name, detail) {
  document.body.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
}

const panel = document.querySelector("[data-log]");
if (panel) start(panel);
