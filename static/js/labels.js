// The admin's rows of inputs have only their column's heading; say it to screen readers, too.

export function startLabels() {
  document.querySelectorAll(".inline-group .tabular table").forEach((table) => {
    const headings = [...table.querySelectorAll("thead th:not(.original)")].map((cell) => cell.textContent.trim().replace("?", ""));
    table.querySelectorAll("tbody tr").forEach((row) => name(row, headings));
  });
}

function name(row, headings) {
  // The first cell of a row is hidden and has no heading of its own.
  const cells = [...row.children].filter((cell) => !cell.classList.contains("original"));
  cells.forEach((cell, index) => {
    cell.querySelectorAll("input:not([type=hidden]), select, textarea").forEach((field) => {
      if (!field.labels?.length && headings[index]) field.setAttribute("aria-label", headings[index]);
    });
  });
}
