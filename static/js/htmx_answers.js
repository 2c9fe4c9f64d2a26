// How htmx answers are treated everywhere: the CSRF token goes along, an ended session leads to the
// login page and back here, and a failed request says so.

import { showToast } from "./toasts.js";

export function startHtmx() {
  const token = document.querySelector("meta[name=csrf-token]")?.content;
  document.body.addEventListener("htmx:configRequest", (event) => {
    if (token && event.detail.verb !== "get") event.detail.headers["X-CSRFToken"] = token;
  });
  // A question stands on a part of the page: that part is not replaced before it is answered.
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (asking() && refreshes(event.detail.elt)) event.preventDefault();
  });
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (asking() && refreshes(event.detail.target)) event.detail.shouldSwap = false;
    if (!new URL(event.detail.xhr.responseURL || location.href).pathname.startsWith("/login/")) return;
    event.detail.shouldSwap = false;
    location.href = `/login/?next=${encodeURIComponent(location.pathname + location.search)}`;
  });
  document.body.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status !== 422 && event.detail.xhr.status !== 409) {
      showToast(`The portal answered with an error (${event.detail.xhr.status}). Reload the page to try again.`);
    }
  });
}

function asking() {
  return document.querySelector("dialog[open]") !== null;
}

function refreshes(element) {
  return element.getAttribute("hx-trigger")?.startsWith("every") ?? false;
}
