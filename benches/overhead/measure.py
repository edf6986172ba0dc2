"""One run of one client through one tool: what it did, what the proxy spent, how large it is."""

import json
import math
import re
import subprocess
import tempfile
from pathlib import Path

from proxies import example, place

# Of these many transactions pgbench logs about as many latencies, however long it runs.
SAMPLES = 100_000


class Cost:
    """What a proxy's processes spent between two moments; nothing where there is no proxy."""

    def __init__(self, tool):
        self.pid = tool.child.pid if tool.child else None
        self.before = cpu_nanos(self.pid)

    def figures(self, queries):
        """CPU seconds, CPU µs per query and memory."""
        if self.pid is None:
            return {}
        seconds = (cpu_nanos(self.pid) - self.before) / 1e9
        found = {"cpu_s": seconds, "rss_mib": memory(self.pid, "VmRSS"), "peak_mib": memory(self.pid, "VmHWM")}
        return {**found, "cpu_us": seconds / queries * 1e6} if queries else found


def cpu_nanos(pid):
    """CPU time of a process with all its threads and children, in the scheduler's own nanoseconds."""
    if pid is None:
        return 0
    total = 0
    for process in family(pid):
        for thread in Path(f"/proc/{process}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    return total


def family(pid):
    """A process and its descendants."""
    pids = [pid]
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            pids += family(int(child))
    return pids


def memory(pid, key):
    """`VmRSS` or `VmHWM` of a process with its descendants, in MiB."""
    texts = [Path(f"/proc/{process}/status").read_text() for process in family(pid)]
    return sum(int(re.search(rf"^{key}:\s+(\d+) kB", text, re.M).group(1)) for text in texts) / 1024


def pgbench(postgres, tool, database, words, clients, seconds, expected_tps=50_000):
    """Run pgbench for some seconds. `expected_tps` only decides how many latencies are logged."""
    rate = min(1, SAMPLES / (expected_tps * seconds))
    with tempfile.TemporaryDirectory() as logs:
        command = [postgres.tool("pgbench"), "-n", *words, "-c", clients, "-j", min(clients, 2), "-T", seconds]
        command += ["-l", f"--sampling-rate={rate}", f"--log-prefix={logs}/log"]
        cost = Cost(tool)
        output = run(command, postgres.environment(tool.address, database))
        done = int(re.search(r"actually processed: (\d+)", output).group(1))
        figures = {"queries": done, "tps": float(re.search(r"tps = ([\d.]+)", output).group(1)), **cost.figures(done)}
        latencies = [int(line.split()[2]) for log in Path(logs).iterdir() for line in log.open()]
    return {**figures, **percentiles(latencies)}


def load(postgres, tool, database, *words):
    """Run `load.rs` once for a large result."""
    cost = Cost(tool)
    return {**json.loads(run(load_command(postgres, tool, database, *words))), **cost.figures(None)}


def queries(postgres, tool, database, statements, clients, seconds):
    """Run `load.rs` for some seconds. What opening and closing the connections costs does not count."""
    command = load_command(postgres, tool, database, "queries", statements, clients, seconds)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        client.stdout.readline()
        cost = Cost(tool)
        print(file=client.stdin, flush=True)
        done = client.stdout.readline()
        figures = cost.figures(json.loads(done)["queries"]) if done else {}
        client.stdin.close()
    if client.returncode:
        raise RuntimeError(f"{command} ended with {client.returncode}")
    done = json.loads(done)
    return {**done, "tps": done["queries"] / done["seconds"], **figures}


def load_command(postgres, tool, database, *words):
    """The command line of `load.rs`."""
    return [str(word) for word in [example("load"), place(tool.address), postgres.user, database, *words]]


def run(command, env=None):
    """Output of a command that must succeed; its complaint where it does not."""
    done = subprocess.run([str(word) for word in command], env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout[-500:]}{done.stderr[-1500:]}")
    return done.stdout


def percentiles(micros):
    """p50 and p99 of latencies in µs, by nearest rank."""
    ordered = sorted(micros)

    def rank(part):
        return float(ordered[math.ceil(part * len(ordered)) - 1])

    return {"p50_us": rank(0.5), "p99_us": rank(0.99)} if ordered else {}
