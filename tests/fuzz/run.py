"""Fuzzes the targets, two at a time, and prints the figures of each; stops at what it finds.

Usage: run.py SECONDS [TARGET ...]
       run.py smoke [TARGET ...]    a minute each, with the same random numbers in every run
       run.py build [TARGET ...]    only builds them
       run.py                       prints why nothing can be fuzzed here; nothing where it can

Needs cargo-fuzz. Runs on stable Rust: RUSTC_BOOTSTRAP=1 lets it build with a sanitizer.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import seeds

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGETS = [target["name"] for target in tomllib.loads((HERE / "Cargo.toml").read_text())["bin"]]
AT_A_TIME = 2
# The inputs of a smoke run change with the code and the seeds only, so that what it finds was brought in by a change.
SMOKE = {"seconds": 60, "more": ["-seed=1"]}
# One input may take so long, and a process hold so much, 32 MB of which the sanitizer keeps from being used again.
LIMITS = ["-timeout=60", "-rss_limit_mb=1024", "-malloc_limit_mb=256"]
SANITIZER = {"ASAN_OPTIONS": "quarantine_size_mb=32"}


def host():
    version = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return re.search(r"host: (\S+)", version)[1]


def missing():
    """Why nothing can be fuzzed here; None where it can."""
    if not shutil.which("cargo-fuzz"):
        return "cargo-fuzz is not installed (cargo install --locked cargo-fuzz)"
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    libraries = Path(sysroot.strip()) / "lib/rustlib" / host() / "lib"
    if not list(libraries.glob("librustc*_rt.asan.*")):
        return f"this Rust comes without the runtime of the address sanitizer (none in {libraries})"
    return None


def build(targets):
    for target in targets:
        command = ["cargo", "fuzz", "build", "--fuzz-dir", str(HERE), target]
        subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "RUSTC_BOOTSTRAP": "1"})


def figures(log):
    """What libFuzzer says of its run."""
    last = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", log)
    cov, ft, corpus = last[-1] if last else ("?", "?", "?")
    stat = dict(re.findall(r"stat::(\w+):\s+(\d+)", log))
    runs, rss = (stat.get(name, "?") for name in ("number_of_executed_units", "peak_rss_mb"))
    return f"{runs} runs, cov {cov}, ft {ft}, corpus {corpus}, peak RSS {rss} MB"


def fuzz(target, seconds, more=()):
    """Whether nothing was found."""
    binary = HERE / "target" / host() / "release" / target
    corpus, artifacts = HERE / "corpus" / target, HERE / "artifacts" / target
    for folder in (corpus, artifacts):
        folder.mkdir(parents=True, exist_ok=True)
    words = [f"-max_total_time={seconds}", f"-artifact_prefix={artifacts}/", "-print_final_stats=1", *LIMITS, *more]
    began = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        env = {**os.environ, **SANITIZER}
        ended = subprocess.run([binary, corpus, *words], stdout=log, stderr=log, cwd=ROOT, env=env).returncode
        log.seek(0)
        text = log.read()
    if ended:
        print("\n".join(text.splitlines()[-60:]))
    verdict = f"FAILED, its input is in {artifacts}" if ended else "nothing found"
    print(f"{target}: {verdict}; {time.monotonic() - began:.0f} s, {figures(text)}", flush=True)
    return not ended


def main():
    reason = missing()
    if len(sys.argv) < 2:
        print(reason or "", end="")
        return 0
    if reason:
        raise SystemExit(reason)
    targets = sys.argv[2:] or TARGETS
    print("==> building the targets", flush=True)
    build(targets)
    if sys.argv[1] == "build":
        return 0
    length = SMOKE if sys.argv[1] == "smoke" else {"seconds": int(sys.argv[1])}
    print("==> seeds from tests/transcripts and tests/recordings", flush=True)
    seeds.main()
    print(f"==> fuzzing {', '.join(targets)}, {length['seconds']} s each, {AT_A_TIME} at a time", flush=True)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        results = list(pool.map(lambda target: fuzz(target, **length), targets))
    return 0 if all(results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
