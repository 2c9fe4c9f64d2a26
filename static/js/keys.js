// `/` goes to the search field of the page, or to the list of applications, which has one.

export function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const field = document.querySelector("input[type=search], #searchbar");
    if (!field) return;
    event.preventDefault();
    field.focus();
  });
}
