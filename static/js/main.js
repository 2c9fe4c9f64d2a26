// What every page needs. Each module looks for its own attributes; nothing runs inline.

import { startConfirming } from "./confirm.js";
import { startCopying } from "./copy.js";
import { startForms } from "./forms.js";
import { startHtmx } from "./htmx_answers.js";
import { startKeys } from "./keys.js";
import { startLabels } from "./labels.js";
import { startMenu } from "./menu.js";
import { startTimes } from "./times.js";
import { startToasts } from "./toasts.js";

for (const start of [startHtmx, startConfirming, startForms, startCopying, startToasts, startTimes, startLabels, startMenu, startKeys]) {
  start();
}
