// Asks pgscope. What goes wrong is an Error whose text can be shown.

export async function ask(path, parameters = {}, signal = undefined) {
  const set = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  const query = new URLSearchParams(set).toString();
  let response;
  try {
    response = await fetch(`/api/v1/${path}${query ? `?${query}` : ""}`, { signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("pgscope does not answer.");
  }
  if (response.ok) return response.json();
  const said = (await response.text()).trim();
  throw new Error(said || `pgscope answered with status ${response.status}.`);
}

// Calls `work` now and then every `pause()` milliseconds, one call at a time, while the page is in sight and `on()`. What
// it returns calls it at once, because the reader came or asked for something else.
export function poll(work, pause, on = () => true) {
  let timer = 0;
  let abort = new AbortController();
  async function turn(asked = false) {
    clearTimeout(timer);
    abort.abort();
    const mine = (abort = new AbortController());
    if (!document.hidden && (asked || on())) {
      try {
        await work(mine.signal);
      } catch (error) {
        if (error.name !== "AbortError") throw error;
      }
    }
    if (abort === mine) timer = setTimeout(() => turn(), pause());
  }
  document.addEventListener("visibilitychange", () => document.hidden || turn());
  turn();
  return () => turn(true);
}
