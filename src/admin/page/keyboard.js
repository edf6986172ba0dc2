// Keys: / to the filter, 1 to 5 to the tabs, arrows within lists and tabs, Escape out of the filter, p to pause.

import { TABS, link, place } from "./place.js";
import { toggle } from "./live.js";

export function startKeyboard() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const target = event.target;
    if (target.matches("input, select, textarea")) {
      if (event.key === "Escape" && !target.value) leave(target);
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
    const turn = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "/") {
      const input = document.getElementById("filter-text");
      if (input.offsetParent) done(event, input);
    } else if (TABS[Number(event.key) - 1]) {
      location.hash = link(TABS[Number(event.key) - 1], "");
    } else if (event.key === "p") {
      toggle();
    } else if (target.matches("[role=tab]") && turn) {
      const tabs = [...document.querySelectorAll("[role=tab]")];
      const next = tabs[(tabs.indexOf(target) + turn + tabs.length) % tabs.length];
      done(event, next);
      location.hash = next.getAttribute("href");
    } else if (step && (target.matches("[data-rove]") || target === document.body || target.matches("[role=tab]"))) {
      rove(event, step);
    } else if (["Home", "End"].includes(event.key) && target.matches("[data-rove]")) {
      rove(event, event.key === "Home" ? -Infinity : Infinity);
    }
  });
}

// From link to link of the list, from the tabs into it and back.
function rove(event, step) {
  const links = [...document.querySelectorAll("#view [data-rove]")].filter((one) => one.offsetParent);
  const at = links.indexOf(document.activeElement);
  if (at === 0 && step === -1) return done(event, document.getElementById(`tab-${place().tab}`));
  const next = at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + step));
  if (links[next]) done(event, links[next]);
}

function done(event, node) {
  event.preventDefault();
  node.focus();
}

function leave(input) {
  input.blur();
  document.getElementById("view").focus();
}
