// Before anything is painted: the theme that was chosen here, if one was. Without a choice the browser's own preference holds.
(() => {
  try {
    const chosen = localStorage.getItem("purser.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage is switched off: the preference holds.
  }
})();
