// Buttons with data-copy put that text on the clipboard and say so.

export function startCopying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await write(button.dataset.copy);
    button.classList.add("done");
    const use = button.querySelector("use");
    const before = use.getAttribute("href");
    use.setAttribute("href", before.replace(/#.*/, "#check"));
    announce("Copied");
    setTimeout(() => {
      button.classList.remove("done");
      use.setAttribute("href", before);
    }, 1500);
  });
}

// The clipboard needs HTTPS or localhost; elsewhere a hidden field does it.
async function write(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

function announce(text) {
  const region = document.getElementById("announcer");
  if (region) region.textContent = text;
}
