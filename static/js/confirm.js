// One dialog for every question. A form with data-confirm is held until it is answered;
// data-confirm-type names the word that has to be typed first.

export function startConfirming() {
  const dialog = document.getElementById("confirm");
  if (!dialog) return;
  let asked = null;

  // In the capture phase, so that it comes before the module that disables buttons.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const source = event.submitter?.dataset.confirm ? event.submitter : form;
    if (!source.dataset?.confirm || form.dataset.confirmed) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    asked = { form, submitter: event.submitter };
    fill(dialog, source.dataset);
    dialog.showModal();
    (dialog.querySelector("input:not([hidden])") ?? dialog.querySelector("[value=yes]")).focus();
  }, true);

  // Not a submit button, so that Enter means the other one.
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close(""));
  dialog.querySelector("input").addEventListener("input", () => judge(dialog));
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "yes" && asked) {
      asked.form.dataset.confirmed = "yes";
      asked.form.requestSubmit(asked.submitter);
    } else {
      asked?.submitter?.focus();
    }
    asked = null;
  });
}

function fill(dialog, data) {
  dialog.returnValue = "";
  dialog.querySelector("h2").textContent = data.confirm;
  dialog.querySelector("[data-text]").textContent = data.confirmText ?? "";
  const list = dialog.querySelector("ul");
  list.replaceChildren(...(data.confirmList ?? "").split("\n").filter(Boolean).map((line) => {
    const item = document.createElement("li");
    item.textContent = line;
    return item;
  }));
  list.hidden = !list.children.length;
  const yes = dialog.querySelector("[value=yes]");
  yes.textContent = data.confirmYes ?? "Continue";
  yes.className = `button ${data.confirmTone === "danger" ? "danger solid" : "primary"}`;
  const field = dialog.querySelector(".field");
  field.hidden = !data.confirmType;
  field.querySelector("input").value = "";
  field.querySelector("input").hidden = !data.confirmType;
  field.querySelector("code").textContent = data.confirmType ?? "";
  judge(dialog);
}

function judge(dialog) {
  const input = dialog.querySelector("input");
  const wanted = dialog.querySelector(".field code").textContent;
  dialog.querySelector("[value=yes]").disabled = Boolean(wanted) && input.value !== wanted;
}
