// Light and dark, chosen once and remembered. In Quarto's terms: body.quarto-light or body.quarto-dark.
const mechscopeEngine = (() => {
  const KEY = "quarto-color-scheme";
  const remembered = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const wanted = () => {
    const choice = remembered();
    if (choice) return choice === "alternate";
    return matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const show = (dark) => {
    document.body.classList.toggle("quarto-dark", dark);
    document.body.classList.toggle("quarto-light", !dark);
    document.documentElement.dataset.bsTheme = dark ? "dark" : "light";
    document.documentElement.style.colorScheme = dark ? "dark" : "light";
  };
  return {
    applyScheme() {
      show(wanted());
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(wanted()));
    },
    switchScheme() {
      const dark = !document.body.classList.contains("quarto-dark");
      try { localStorage.setItem(KEY, dark ? "alternate" : "default"); } catch { /* a page from disk may not store */ }
      show(dark);
      document.dispatchEvent(new CustomEvent("quarto-color-scheme", { detail: { dark } }));
    },
  };
})();
