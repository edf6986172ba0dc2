"""TLS against a real PostgreSQL and a real libpq: every cell of the SCRAM matrix, every mode, and what bulk does to it.

Usage: tls.py [--only WORD] [--rounds N]. The binary is PGSCOPE_BIN or the release build. Needs the program openssl.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness.venv import run_in_venv

run_in_venv()

import psycopg
from psycopg import pq
from harness.console import Checks, eventually, say
from harness.postgres import Postgres, server_user
from harness.process import folder
from harness.servers import Pgscope, binary

BINDINGS = ("prefer", "disable", "require")
BULK_ROWS = 40_000
PASSWORD = "correct horse"

# `client`: what pgscope does with a client that asks for TLS; `expected`: of each channel_binding, None where the login
# works, else words of the error that the client sees.
Cell = namedtuple("Cell", "name client upstream encrypted expected")
NOT_OFFERED = "channel binding"
MATRIX = [
    Cell("plain - plain", "refuse", "disable", False, (None, None, NOT_OFFERED)),
    Cell("plain - TLS", "refuse", "require", False, (None, None, NOT_OFFERED)),
    Cell("TLS - plain", "own", "disable", True, (None, None, NOT_OFFERED)),
    Cell("TLS - TLS, other certificate", "own", "require", True, ("check failed", None, "check failed")),
    Cell("TLS - TLS, same certificate", "server", "require", True, (None, None, None)),
    Cell("TLS passed through", "passthrough", "disable", True, (None, None, None)),
]


class Certificates:
    """An authority, and what it signed for this host, in a folder that is gone afterwards."""

    def __init__(self):
        self.home = folder()
        self._run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=authority")
        for name in ("server", "own", "app", "renewed"):
            self.sign(name, "DNS:localhost,IP:127.0.0.1")
        self.sign("elsewhere", "DNS:elsewhere")
        self.sign("expired", "DNS:localhost,IP:127.0.0.1", days="-1")
        self._run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=stranger", to="stranger")

    def _run(self, *words, to="root"):
        files = ["-keyout", self.key(to), "-out", self.cert(to)]
        subprocess.run(["openssl", *words, *files], check=True, capture_output=True)

    def sign(self, name, names, days="2"):
        """A certificate for these names, CN `name`."""
        request, extensions = self.home / "request", self.home / "extensions"
        extensions.write_text(f"subjectAltName={names}\n")
        new = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", self.key(name), "-out", request]
        sign = ["x509", "-req", "-in", request, "-CA", self.cert("root"), "-CAkey", self.key("root"), "-CAcreateserial"]
        sign += ["-days", days, "-extfile", extensions, "-out", self.cert(name)]
        for command in (new, sign):
            subprocess.run(["openssl", *command], check=True, capture_output=True)

    def cert(self, name):
        return self.home / f"{name}.crt"

    def key(self, name):
        return self.home / f"{name}.key"

    def files(self, section, name):
        """Flags of a certificate and its key."""
        return [f"--{section}-tls-cert-file", str(self.cert(name)), f"--{section}-tls-key-file", str(self.key(name))]


class Server:
    """PostgreSQL with TLS, a user with a SCRAM password and one who logs in with a certificate."""

    def __init__(self, certificates):
        self.postgres, self.certificates = Postgres(), certificates
        hba = Path(self._ask("SHOW hba_file"))
        rules = "local all all trust\nhostssl all app all cert\nhost all scram all scram-sha-256\nhost all shop all trust\n"
        hba.write_text(rules)
        self.data = hba.parent
        self._ask("CREATE ROLE app LOGIN")
        self._ask(f"CREATE ROLE scram LOGIN PASSWORD '{PASSWORD}'")
        self.show("server")

    def _ask(self, sql):
        rows = self.postgres.query(sql, "postgres")
        return rows[0][0] if rows else None

    def show(self, name):
        """Show clients this certificate from now on."""
        for source, target in (
            (self.certificates.cert(name), "server.crt"),
            (self.certificates.key(name), "server.key"),
            (self.certificates.cert("root"), "root.crt"),
        ):
            place = self.data / target
            shutil.copy(source, place)
            place.chmod(0o600)
            if user := server_user():
                os.chown(place, *user)
        for setting in ("ssl_ca_file = 'root.crt'", "ssl = on"):
            self._ask(f"ALTER SYSTEM SET {setting}")
        self._ask("SELECT pg_reload_conf()")
        wanted = ssl.PEM_cert_to_DER_cert(self.certificates.cert(name).read_text())
        eventually(lambda: leaf(self.postgres.address) == wanted, f"PostgreSQL shows the certificate {name}")


def give_up(*_):
    raise TimeoutError("the client waits for ever")


@contextlib.contextmanager
def within(seconds):
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def leaf(address):
    """The certificate that is shown in answer to an SSLRequest, as DER."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(address, timeout=10) as plain:
        plain.sendall(bytes([0, 0, 0, 8, 4, 210, 22, 47]))
        if plain.recv(1) != b"S":
            raise AssertionError("no TLS")
        with context.wrap_socket(plain) as secure:
            return secure.getpeercert(binary_form=True)


class Tester:
    def __init__(self, checks, server, certificates, rounds):
        self.checks, self.server, self.certificates, self.rounds = checks, server, certificates, rounds

    def pgscope(self, client="refuse", upstream="disable", *words):
        """A pgscope with these legs."""
        flags = ["--upstream-tls-mode", upstream, *words]
        if client in ("refuse", "passthrough"):
            flags += ["--client-tls-mode", client]
        else:
            flags += ["--client-tls-mode", "terminate", *self.certificates.files("client", client)]
        return Pgscope(self.server.postgres.address, *flags)

    def connect(self, scope, sslmode="disable", user="scram", **options):
        host, port = scope.address
        options = {"sslrootcert": str(self.certificates.cert("root")), "gssencmode": "disable", **options}
        return psycopg.connect(
            host=host, port=port, user=user, password=PASSWORD, dbname="postgres", sslmode=sslmode, connect_timeout=20,
            autocommit=True, **options,
        )

    def attempt(self, scope, **options):
        """None, or the error that the client sees."""
        try:
            self.connect(scope, **options).close()
        except psycopg.OperationalError as error:
            return str(error)
        return None

    def refused(self, scope, words, what, **options):
        error = self.attempt(scope, **options) or "no error"
        self.checks.that(words in error, f"{what}: refused with `{words}`", error)

    def admitted(self, scope, what, **options):
        self.checks.equal(self.attempt(scope, **options), None, f"{what}: admitted")

    def matrix(self):
        for cell in MATRIX:
            with self.checks.guard(cell.name), self.pgscope(cell.client, cell.upstream) as scope:
                sslmode = "verify-full" if cell.encrypted else "disable"
                for binding, words in zip(BINDINGS, cell.expected):
                    what = f"SCRAM, {cell.name}, channel_binding={binding}"
                    options = {"sslmode": sslmode, "channel_binding": binding}
                    if words:
                        self.refused(scope, words, what, **options)
                    else:
                        self.admitted(scope, what, **options)
                self.log_and_metrics(cell, scope)

    def log_and_metrics(self, cell, scope):
        """What an operator sees of the cell."""
        scope.quiet()
        metrics = scope.metrics()
        stripped = metrics.total("scram_plus_removed_total")
        # libpq gives up on `require` before it says who it is, or after the offer.
        fits = 2 <= stripped <= 3 if (cell.client, cell.upstream) == ("refuse", "require") else stripped == 0
        self.checks.that(fits, f"{cell.name}: offers without PLUS are counted", stripped)
        blind = metrics.total("sessions_blind_total")
        self.checks.equal(blind > 0, cell.client == "passthrough", f"{cell.name}: only what is passed through is blind")
        said = "Three ways out" in scope.log()
        warned = cell.expected[0] == "check failed"
        self.checks.equal(said, warned, f"{cell.name}: the log says what will fail")

    def upstream_modes(self):
        """The leg to the server, as the server itself sees it."""
        for mode, encrypted in (("disable", "f"), ("prefer", "t"), ("require", "t")):
            with self.pgscope("refuse", mode) as scope, self.connect(scope) as session:
                row = session.execute("SELECT ssl::text, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
                self.checks.equal(row[0][0], encrypted, f"upstream {mode}: pg_stat_ssl says {row}")
        root = ["--upstream-tls-root-cert-file", str(self.certificates.cert("root"))]
        stranger = ["--upstream-tls-root-cert-file", str(self.certificates.cert("stranger"))]
        for certificate, mode, words, refused in (
            ("server", "verify-full", root, None),
            ("server", "verify-ca", root, None),
            ("server", "require", stranger, "no authority"),
            ("server", "verify-ca", stranger, "no authority"),
            ("server", "verify-full", stranger, "no authority"),
            ("elsewhere", "verify-full", root, "not valid for name"),
            ("elsewhere", "verify-full", [*root, "--upstream-tls-server-name", "elsewhere"], None),
            ("elsewhere", "verify-ca", root, None),
            ("expired", "verify-ca", root, "has expired"),
            ("expired", "verify-full", root, "has expired"),
            ("expired", "require", [], None),
            ("server", "require", self.certificates.files("upstream", "app"), None),
        ):
            what = f"upstream {mode} {' '.join(Path(word).name for word in words)}, certificate {certificate}"
            with self.checks.guard(what):
                self.server.show(certificate)
                if refused:
                    # Not ready: it has no way to the server.
                    self.check_refusal(mode, words, refused, what)
                else:
                    user = "app" if "--upstream-tls-cert-file" in words else "scram"
                    with self.pgscope("refuse", mode, *words) as scope:
                        self.admitted(scope, what, user=user)
        self.server.show("server")

    def check_refusal(self, mode, words, refused, what):
        with self.unready(mode, *words) as scope:
            self.refused(scope, refused, what)
            self.checks.that(refused in scope.log(), f"{what}: the log says so", scope.log())

    def unready(self, mode, *words):
        """A pgscope that cannot reach its server, and is not waited for to do so."""
        ready = Pgscope._ready

        def listens(scope):
            scope.child.alive()
            return "metrics and API" in scope.log()

        Pgscope._ready = listens
        try:
            return self.pgscope("refuse", mode, *words)
        finally:
            Pgscope._ready = ready

    def client_leg(self):
        with self.pgscope("own", "disable", "--client-tls-required", "true") as scope:
            self.refused(scope, "requires TLS", "required, plain client")
            self.admitted(scope, "required, encrypted client", sslmode="verify-full")
            if pq.version() >= 170000:
                self.admitted(scope, "direct TLS", sslmode="verify-full", sslnegotiation="direct")
            else:
                say(f"direct TLS: skipped, libpq {pq.version()} has none")
            for name in ("cancel", "cancel_safe"):
                self.cancel(scope, name)
            self.reload(scope)
            metrics = scope.metrics()
            queries = metrics.total("queries_total")
            self.checks.that(queries > 0, "queries within TLS are counted", queries)
            self.checks.equal(metrics.total("sessions_blind_total"), 0, "no session is blind")
            self.checks.equal(scope.stop(), 0, "pgscope exits with 0")

    def cancel(self, scope, name):
        with self.connect(scope, "verify-full") as session:
            if not hasattr(session, name):
                return
            with self.connect(scope, "verify-full") as watcher:
                asked = threading.Thread(target=lambda: self.cancel_when_busy(session, watcher, name))
                asked.start()
                try:
                    session.execute("SELECT pg_sleep(60)")
                    state = "ran to its end"
                except psycopg.errors.QueryCanceled:
                    state = "cancelled"
                asked.join()
        self.checks.equal(state, "cancelled", f"{name}() through a decrypted leg")

    def cancel_when_busy(self, session, watcher, name):
        sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
        eventually(lambda: watcher.execute(sql).fetchone() == (1,), "the query runs")
        getattr(session, name)()

    def reload(self, scope):
        """SIGHUP: a new certificate is shown; a bad file changes nothing."""
        own, new = (self.certificates.cert(name).read_text() for name in ("own", "renewed"))
        for name in ("cert", "key"):
            place = getattr(self.certificates, name)
            shutil.copy(place("renewed"), place("own"))
        scope.child.process.send_signal(signal.SIGHUP)
        wanted = ssl.PEM_cert_to_DER_cert(new)
        eventually(lambda: leaf(scope.address) == wanted, "the new certificate is shown")
        self.checks.that(leaf(scope.address) != ssl.PEM_cert_to_DER_cert(own), "SIGHUP: the new certificate is shown")
        self.certificates.cert("own").write_text("nonsense")
        scope.child.process.send_signal(signal.SIGHUP)
        eventually(lambda: "certificates not reloaded" in scope.log(), "the log says that the file is bad")
        self.checks.equal(leaf(scope.address), wanted, "SIGHUP: a bad file changes nothing")
        shutil.copy(self.certificates.home / "renewed.crt", self.certificates.cert("own"))

    def bulk(self):
        """40 MB a time on a connection of its own, by the asynchronous calls of libpq, which is what psycopg uses."""
        rows = f"SELECT repeat('x', 1000) FROM generate_series(1, {BULK_ROWS})"
        signal.signal(signal.SIGALRM, give_up)
        for client, upstream in (("own", "disable"), ("own", "require"), ("refuse", "require")):
            sslmode = "disable" if client == "refuse" else "verify-full"
            what = f"{self.rounds} times 40 MB, client leg {client}, upstream {upstream}"
            with self.checks.guard(what), self.pgscope(client, upstream) as scope:
                for number in range(self.rounds):
                    session = self.connect(scope, sslmode, user="scram", channel_binding="disable")
                    # A hang ends here, not never. `close` asks the server nothing, unlike the end of a `with`.
                    with within(60), contextlib.closing(session):
                        size = sum(len(row[0]) for row in session.execute(rows))
                    if size != BULK_ROWS * 1000:
                        raise AssertionError(f"round {number}: {size} bytes")
                scope.quiet()
                memory = scope.memory("VmHWM")
                self.checks.that(memory < 64, f"{what}: memory stays small", memory)
                say(f"{what}: done, at most {memory:.0f} MiB")

    def straddle(self):
        """Replies of a little more than 8 KiB, whose last record an older libpq forgot if it was larger than that."""
        signal.signal(signal.SIGALRM, give_up)
        hung = []
        with self.pgscope("own", "require") as scope:
            for size in range(9000, 10900, 100):
                with self.connect(scope, "verify-full", channel_binding="disable") as session:
                    signal.alarm(20)
                    try:
                        for _ in range(20):
                            session.execute(f"SELECT repeat('x', {size}) FROM generate_series(1, 3)").fetchall()
                    except TimeoutError:
                        hung.append(size)
                        session.close()
                    signal.alarm(0)
        self.checks.equal(hung, [], f"libpq {pq.version()}: replies of these sizes hang")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="")
    options.add_argument("--rounds", type=int, default=20, help="how often the bulk is read")
    options = options.parse_args()
    binary()  # ends here where there is none
    if not shutil.which("openssl"):
        sys.exit("the program openssl is missing: install the package openssl and try again")
    checks = Checks("e2e-tls")
    say(f"psycopg {psycopg.__version__}, libpq {pq.version()}")
    certificates = Certificates()
    tester = Tester(checks, Server(certificates), certificates, options.rounds)
    for part in ("matrix", "upstream_modes", "client_leg", "straddle", "bulk"):
        if options.only in part:
            with checks.guard(part):
                getattr(tester, part)()
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
