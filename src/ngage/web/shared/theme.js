// Light or dark: as the system has it until somebody presses the button. Not a module, and in the
// head, so that the page is never drawn in the other one first.
{
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  let chosen = null;
  try {
    chosen = localStorage.getItem("ngage.theme");
  } catch {
    // Storage is forbidden: the choice lasts as long as the page.
  }

  const apply = () => {
    root.dataset.theme = chosen ?? (dark.matches ? "dark" : "light");
    const other = root.dataset.theme === "dark" ? "light" : "dark";
    for (const button of document.querySelectorAll("[data-theme-button]")) {
      button.setAttribute("aria-label", `Use ${other} colours`);
    }
  };

  dark.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", apply);
  document.addEventListener("click", ({ target }) => {
    if (!target.closest?.("[data-theme-button]")) return;
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("ngage.theme", chosen);
    } catch {
      // As above.
    }
    apply();
  });
  apply();
}
