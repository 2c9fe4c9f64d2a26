// A pressed button is disabled at once and shows work; a second press sends nothing.

export function startForms() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method === "dialog" || form.hasAttribute("hx-get") || form.hasAttribute("hx-post")) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    if (form.method !== "post") return;
    form.dataset.sent = "yes";
    const button = event.submitter ?? form.querySelector("button:not([type=button])");
    // After the browser has read the form, or the button's own name and value would be lost.
    setTimeout(() => show(button), 0);
  });
  // Coming back through the browser's history shows the page as it was left: free the buttons.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) document.querySelectorAll("form[data-sent]").forEach(free);
  });
  document.addEventListener("click", addRow);
}

function show(button) {
  if (!button) return;
  button.setAttribute("aria-busy", "true");
  button.disabled = true;
  if (button.dataset.busy) button.textContent = button.dataset.busy;
}

function free(form) {
  delete form.dataset.sent;
  delete form.dataset.confirmed;
  form.querySelectorAll("[aria-busy]").forEach((button) => {
    button.removeAttribute("aria-busy");
    button.disabled = false;
  });
}

// [data-add-row="#id"] appends a copy of the last row of that list, emptied.
function addRow(event) {
  const button = event.target.closest("[data-add-row]");
  if (!button) return;
  const list = document.querySelector(button.dataset.addRow);
  const row = list.lastElementChild.cloneNode(true);
  row.querySelectorAll("input").forEach((input) => {
    if (input.type !== "checkbox") input.value = "";
  });
  list.append(row);
  row.querySelector("input").focus();
}
