// Puts the parts together: one view at a time, brought up to date as pgscope says something new.

import { startDetails } from "./details.js";
import { h, say, set } from "./dom.js";
import { startFilter } from "./filter.js";
import { findingsView } from "./findings.js";
import { title } from "./format.js";
import { healthView } from "./health.js";
import { startKeyboard } from "./keyboard.js";
import { live, on, paused, start, toggle } from "./live.js";
import { startNotices } from "./notices.js";
import { TABS, link, onPlace, place } from "./place.js";
import { requestsView } from "./requests.js";
import { sessionsView } from "./sessions.js";
import { statementsView } from "./statements.js";
import { startSummary } from "./summary.js";
import { startTheme } from "./theme.js";

const MAKERS = {
  findings: findingsView,
  requests: requestsView,
  statements: statementsView,
  sessions: sessionsView,
  health: healthView,
};
const STATES = {
  connecting: "connecting",
  live: "live",
  lost: "reconnecting",
  refused: "refused, trying again",
  paused: "paused",
};

const byId = (id) => document.getElementById(id);

function startViews() {
  const views = {};
  for (const tab of TABS) {
    const node = h("div", { class: `view ${tab}`, hidden: true });
    byId("view").append(node);
    views[tab] = { node, ...MAKERS[tab](node) };
    for (const name of views[tab].on) on(name, () => place().tab === tab && !paused() && views[tab].show());
  }
  function show(now, before) {
    for (const [tab, view] of Object.entries(views)) view.node.hidden = tab !== now.tab;
    for (const tab of TABS) {
      const node = byId(`tab-${tab}`);
      set(node, "aria-selected", String(tab === now.tab));
      set(node, "tabindex", tab === now.tab ? "0" : "-1");
      set(node, "href", link(tab, "", { ...now.filters, order: "" }));
    }
    set(byId("view"), "aria-labelledby", `tab-${now.tab}`);
    document.title = `${title(now.tab)} – pgscope`;
    views[now.tab].show();
    const isOther = !before || before.tab !== now.tab || JSON.stringify(before.filters) !== JSON.stringify(now.filters);
    if (isOther) views[now.tab].arrive?.();
  }
  onPlace(show);
  show(place());
}

function startState() {
  const [, text] = byId("state").children;
  const pause = byId("pause");
  pause.addEventListener("click", toggle);
  on("state", () => {
    set(byId("state"), "class", `state ${live.state}`);
    say(text, STATES[live.state]);
    say(pause, paused() ? "Resume" : "Pause");
    set(pause, "class", paused() ? "primary" : null);
  });
}

startTheme(byId("theme"));
startSummary(byId("summary"));
startNotices(byId("notices"));
startFilter(byId("filter"));
startState();
startViews();
startDetails(byId("details"));
startKeyboard();
start();
