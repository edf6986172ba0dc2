"""A page of another origin that tries what it can against the admin address."""

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .browser import OTHER
from .console import eventually

# Each attempt tells what it got; what it must not get is the text of an answer.
SCRIPT = """async (target) => {
  const tried = {};
  const attempt = async (name, work) => {
    try { tried[name] = await work(); } catch (error) { tried[name] = `refused: ${error.name}`; }
  };
  const soon = (node, get) => new Promise((done) => {
    node.onload = () => done(get());
    node.onerror = () => done("refused: error");
    document.body.append(node);
  });
  const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
  await attempt("fetch", async () => (await fetch(`${target}/api/v1/findings`)).text());
  await attempt("fetch with credentials", async () => (await fetch(`${target}/api/v1/findings`, { credentials: "include" })).text());
  await attempt("opaque fetch", async () => (await fetch(`${target}/api/v1/findings`, { mode: "no-cors" })).text());
  await attempt("post", async () => (await fetch(`${target}/api/v1/findings`, { method: "POST", body: "{}" })).text());
  await attempt("preflight", async () => (await fetch(`${target}/metrics`, { headers: { "x-any": "1" } })).text());
  await attempt("event stream", () => new Promise((done) => {
    const stream = new EventSource(`${target}/api/v1/events`);
    stream.addEventListener("overview", (event) => done(event.data));
    stream.onerror = () => { stream.close(); done("refused: error"); };
  }));
  await attempt("module", async () => Object.keys(await import(`${target}/page/live.js`)).join());
  await attempt("script of JSON", () => soon(make("script", { src: `${target}/api/v1/findings` }), () => "ran"));
  await attempt("frame", async () => {
    const frame = make("iframe", { name: "victim", src: `${target}/` });
    await soon(frame, () => "");
    return frame.contentDocument ? frame.contentDocument.body.innerText : "refused: no document";
  });
  await attempt("form", async () => {
    const frame = make("iframe", { name: "answer" });
    document.body.append(frame);
    const form = make("form", { action: `${target}/api/v1/findings`, method: "POST", target: "answer" });
    document.body.append(form);
    const loaded = new Promise((done) => { frame.onload = done; });
    form.submit();
    await loaded;
    return frame.contentDocument ? frame.contentDocument.body.innerText : "refused: no document";
  });
  await attempt("window", async () => {
    const opened = window.open(`${target}/`);
    await new Promise((done) => setTimeout(done, 500));
    const text = opened.document.body.innerText;
    opened.close();
    return text;
  });
  return tried;
}"""


class Stranger(BaseHTTPRequestHandler):
    """An empty page."""

    def do_GET(self):
        """Any path."""
        body = b"<!doctype html><title>other</title><body>"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Quiet."""


def check(checks, browser, scope):
    """All attempts, from another port of the loopback and from another name; then that name as a way in."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    before = scope.api("findings", limit=1000)
    try:
        for host in ("127.0.0.1", OTHER):
            context = browser.new_context()
            page = context.new_page()
            page.goto(f"http://{host}:{server.server_port}/")
            tried = page.evaluate(SCRIPT, scope.url)
            framed = page.frame(name="victim").url
            checks.that(framed.startswith("chrome-error:"), f"{host}: the page is in no frame", framed)
            context.close()
            checks.that(len(tried) == 11, f"{host}: all attempts were made", tried)
            for attempt, got in tried.items():
                # An opaque answer has no text; a script that is refused for its type never runs.
                checks.that(got == "" or got.startswith("refused"), f"{host}: {attempt} gets nothing", got[:200])
        rebound(checks, browser, scope)
    finally:
        server.shutdown()
        server.server_close()
    findings = [(finding["detector"], finding["route"], finding["requests"]) for finding in scope.api("findings", limit=1000)]
    checks.equal(findings, [(one["detector"], one["route"], one["requests"]) for one in before], "nothing was changed")


def rebound(checks, browser, scope):
    """A name of an attacker that leads to the admin address: the browser takes it for one origin, pgscope does not."""
    port = scope.admin[1]
    context = browser.new_context()
    page = context.new_page()
    answer = page.goto(f"http://{OTHER}:{port}/")
    checks.equal(answer.status, 421, "the page under another name")
    status = page.evaluate("fetch('/api/v1/findings').then((answer) => answer.status)")
    checks.equal(status, 421, "the API under another name")
    context.close()
    for headers in ({"Host": f"{OTHER}:{port}"}, {"Host": f"127.0.0.1:{port}", "Origin": f"http://{OTHER}"}):
        connection = http.client.HTTPConnection(*scope.admin, timeout=30)
        connection.request("GET", "/api/v1/findings", headers=headers)
        given = connection.getresponse()
        allowed = [name for name in given.headers if name.lower().startswith("access-control")]
        checks.equal(allowed, [], f"no permission for other origins: {json.dumps(headers)}")
        connection.close()
    eventually(lambda: scope.api("findings"), "pgscope answers as before")
