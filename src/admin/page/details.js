// The drawer with one request or one statement. The hash says which, so Back closes it and a link opens it.

import { h, replace } from "./dom.js";
import { go, onPlace, place } from "./place.js";
import { request } from "./request.js";
import { statement } from "./statement.js";

const KINDS = { requests: request, statements: statement };

export function startDetails(dialog) {
  const title = h("h2", { id: "details-title", tabindex: "-1" });
  const kind = h("span", { class: "quiet" });
  const close = h("button", { type: "button", class: "icon", "aria-label": "Close", title: "Close (Escape)", click: leave }, "✕");
  const body = h("div", { class: "body" });
  dialog.append(h("div", { class: "head" }, h("div", {}, kind, title), close), body);
  let abort = new AbortController();
  let came = null;

  // Escape, or a click beside the drawer.
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    leave();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && leave());

  function leave() {
    go({ open: "" });
  }

  async function show(now, before) {
    const wanted = KINDS[now.tab] && now.open;
    if (before && now.tab === before.tab && now.open === before.open) return;
    abort.abort();
    if (!wanted) {
      if (dialog.open) dialog.close();
      came?.isConnected && came.focus({ preventScroll: true });
      came = null;
      return;
    }
    const { signal } = (abort = new AbortController());
    if (!dialog.open) {
      came = document.activeElement;
      dialog.showModal();
    }
    replace(kind, "Loading…");
    replace(title, "…");
    replace(body);
    try {
      const opened = await KINDS[now.tab](now.open, signal);
      if (signal.aborted) return;
      replace(kind, opened.kind);
      replace(title, opened.title);
      replace(body, ...opened.parts.flat());
    } catch (error) {
      if (signal.aborted) return;
      replace(kind, now.tab === "requests" ? "Request" : "Statement");
      replace(title, "Not there");
      replace(body, h("p", { class: "notice warning" }, error.message));
    }
    dialog.scrollTop = 0;
    title.focus({ preventScroll: true });
  }
  onPlace(show);
  show(place());
}
