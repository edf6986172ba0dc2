// A fix: its code set apart, and a button that copies it.

import { h, say, set } from "./dom.js";

// The part of a fix that is code: a call at its beginning, up to the bracket that closes it.
export function code(fix) {
  const start = /^[a-z_.]+\(/i.exec(fix)?.[0];
  if (!start) return "";
  let depth = 0;
  for (let index = start.length - 1; index < fix.length; index += 1) {
    if (fix[index] === "(") depth += 1;
    if (fix[index] === ")") depth -= 1;
    if (depth === 0) return fix.slice(0, index + 1);
  }
  return "";
}

// The fix with its code set apart, and a button that copies the code, or the sentence where there is none.
export function fixOf(read) {
  const call = h("code", { class: "call" });
  const rest = h("span");
  const button = h("button", { type: "button", class: "copy" }, "Copy");
  const node = h("span", { class: "fix" }, h("span", {}, call, rest), button);
  let text = "";
  button.addEventListener("click", () => copy(text, button));
  function update() {
    const fix = read();
    text = code(fix) || fix;
    const rest_ = fix.slice(code(fix).length);
    say(call, code(fix));
    call.hidden = !code(fix);
    say(rest, rest_);
    set(button, "aria-label", `Copy the fix: ${text}`);
  }
  return { node, update };
}

async function copy(text, button) {
  let copied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers lend the clipboard to secure pages only; loopback is one, another plain HTTP address is not.
    copied = copyBySelection(text);
  }
  say(button, copied ? "Copied ✓" : "Select and copy");
  set(button, "class", copied ? "copy done" : "copy");
  say(document.getElementById("announce"), copied ? `Copied: ${text}` : "The browser does not allow copying.");
  setTimeout(() => {
    say(button, "Copy");
    set(button, "class", "copy");
  }, 2000);
}

function copyBySelection(text) {
  const area = h("textarea", { class: "visually-hidden", "aria-hidden": "true" });
  const focused = document.activeElement;
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return copied;
}
