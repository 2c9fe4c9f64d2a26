// The side navigation on narrow screens.

export function startMenu() {
  const button = document.getElementById("menu-button");
  const sidebar = document.getElementById("sidebar");
  if (!button || !sidebar) return;

  const set = (open) => {
    document.body.classList.toggle("menu-open", open);
    button.setAttribute("aria-expanded", String(open));
    if (open) sidebar.querySelector("a").focus();
  };
  button.addEventListener("click", () => set(!document.body.classList.contains("menu-open")));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.body.classList.contains("menu-open")) {
      set(false);
      button.focus();
    }
  });
  document.addEventListener("click", (event) => {
    if (event.target === document.body) set(false);
  });
}
