// Light or dark: as the system has it, until the reader chooses.

import { say, set } from "./dom.js";

const KEY = "pgscope-theme";
const ORDER = ["system", "light", "dark"];
const SIGN = { system: "◐", light: "☀", dark: "☾" };

function chosen() {
  try {
    return ORDER.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "system";
  } catch {
    return "system";
  }
}

function apply(theme, button) {
  set(document.documentElement, "data-theme", theme === "system" ? null : theme);
  say(button.firstElementChild, SIGN[theme]);
  set(button, "aria-label", `Colours: ${theme}`);
  set(button, "title", `Colours: ${theme}. Press to change.`);
}

export function startTheme(button) {
  let theme = chosen();
  apply(theme, button);
  button.addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
    apply(theme, button);
  });
}
