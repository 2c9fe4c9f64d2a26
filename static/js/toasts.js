// Short news: gone after five seconds, unless the pointer or the focus rests on it.

const SHOWN_MS = 5000;

export function showToast(text) {
  const box = document.getElementById("toasts");
  const template = document.getElementById("toast-template");
  if (!box || !template) return;
  const toast = template.content.firstElementChild.cloneNode(true);
  toast.querySelector("[data-text]").textContent = text;
  box.append(toast);
  watch(toast);
}

export function startToasts() {
  document.querySelectorAll("#toasts .toast").forEach(watch);
  // Fired by the answer header HX-Trigger: {"toast": "…"}.
  document.body.addEventListener("toast", (event) => showToast(event.detail.value));
}

function watch(toast) {
  let timer = setTimeout(() => toast.remove(), SHOWN_MS);
  const pause = () => clearTimeout(timer);
  const resume = () => {
    clearTimeout(timer);
    timer = setTimeout(() => toast.remove(), SHOWN_MS);
  };
  toast.addEventListener("mouseenter", pause);
  toast.addEventListener("focusin", pause);
  toast.addEventListener("mouseleave", resume);
  toast.addEventListener("focusout", resume);
  toast.querySelector("button")?.addEventListener("click", () => toast.remove());
}
