"""The files of docker/ and proxy-config/kubernetes/, as far as they can be checked without a container engine or a cluster.

Usage: containers.py. The binary is PGSCOPE_BIN or the release build. Nothing is built and no image is fetched.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness.venv import run_in_venv

run_in_venv(Path(__file__).resolve().parent / "requirements-operations.txt")

import yaml
from harness.console import Checks, say
from harness.debian import installed
from harness.process import ROOT, folder, free_port
from harness.servers import Pgscope, binary

DOCKER = ROOT / "docker"
SIDECAR = ROOT / "proxy-config" / "kubernetes" / "sidecar.yaml"


def main():
    checks = Checks("e2e-containers")
    for case in (dockerfiles, health, compose, kubernetes):
        with checks.guard(case.__name__):
            say(case.__name__)
            case(checks)
    say("not here: building and running the image, which tests/containers does where an engine answers")
    return checks.finish()


def plain(checks, image, what):
    """A pinned image without the host of a registry."""
    name, _, tag = image.rpartition(":")
    checks.that(name and tag and not re.search(r"[.:]", name.split("/")[0]), f"{what}: {image} is pinned and plain")


def instructions(name):
    """(instruction, words) of a Dockerfile."""
    text = re.sub(r"\\\n", " ", (DOCKER / name).read_text())
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line and not line.startswith("#")]


def dockerfiles(checks):
    """What is copied is there and in the context; the last stage runs as nobody in particular."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = [line[1:] for line in ignored if line.startswith("!")]
    for name in ("Dockerfile", "demo.Dockerfile"):
        lines = instructions(name)
        for word, rest in lines:
            if word == "FROM":
                plain(checks, rest.split()[0], name)
            if word == "COPY" and not rest.startswith("--from"):
                for source in rest.split()[:-1]:
                    checks.that((ROOT / source).exists(), f"{name}: {source} is there")
                    known = any(source == one or source.startswith(f"{one}/") for one in allowed)
                    checks.that(known, f"{name}: {source} is in the context")
        last = max(index for index, (word, _) in enumerate(lines) if word == "FROM")
        users = [rest for word, rest in lines[last:] if word == "USER"]
        checks.equal(users, ["10001:10001"], f"{name}: does not run as root")
    manifest(checks)


def manifest(checks):
    """The dependencies' layer: cargo takes the manifest with what is copied until then."""
    cargo = shutil.which("cargo")
    if not cargo:
        return say("skipped: cargo reads the manifest of the first layer, for want of cargo")
    place = folder()
    for word, rest in instructions("Dockerfile"):
        if word == "COPY" and rest.startswith("src"):
            break
        if word == "COPY":
            *sources, to = rest.split()
            for source in sources:
                goal = place / to / Path(source).name if to.endswith("/") else place / to
                goal.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, goal)
    (place / "src").mkdir()
    (place / "src" / "main.rs").write_text("fn main() {}")
    (place / "src" / "lib.rs").touch()
    command = [cargo, "metadata", "--no-deps", "--offline", "--format-version=1"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    checks.that(done.returncode == 0, "cargo takes the manifest of the first layer", done.stderr)


def health(checks):
    """The command of HEALTHCHECK, at a pgscope that runs and at one that does not."""
    (line,) = [rest for word, rest in instructions("Dockerfile") if word == "HEALTHCHECK"]
    command = yaml.safe_load(line[line.index("[") :])
    checks.equal(command[0], "pgscope", "HEALTHCHECK asks with pgscope itself")
    with Pgscope(("127.0.0.1", free_port())) as scope:
        at = [word.replace("http://127.0.0.1:9187", scope.url) for word in command[1:]]
        checks.equal(subprocess.run([binary(), *at], capture_output=True).returncode, 0, "HEALTHCHECK of one that runs")
        scope.stop()
        checks.that(subprocess.run([binary(), *at], capture_output=True).returncode != 0, "HEALTHCHECK of one that does not")


def compose(checks):
    """Services name what there is; all ports are those of this machine alone."""
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    checks.equal(set(services), {"postgres", "pgscope", "shop", "prometheus", "grafana"}, "compose.yaml: the services")
    for name, service in services.items():
        checks.that(set(service.get("depends_on", [])) <= set(services), f"{name}: depends on services that there are")
        for mount in service.get("volumes", []):
            checks.that((DOCKER / mount.split(":")[0]).exists(), f"{name}: {mount} is there")
        for port in service.get("ports", []):
            checks.that(port.startswith("127.0.0.1:"), f"{name}: {port} is published to this machine alone")
        if "build" in service:
            checks.that((DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).exists(), f"{name}: its Dockerfile")
        else:
            plain(checks, service["image"], name)
    settings = (ROOT / "tests" / "e2e" / "shop" / "project" / "settings.py").read_text()
    for key in services["shop"]["environment"]:
        checks.that(f'"{key.removeprefix("SHOP_")}"' in settings, f"shop: {key} is a setting")
    for path in sorted((ROOT / "proxy-config" / "grafana" / "provisioning").rglob("*.yml")):
        checks.equal(yaml.safe_load(path.read_text())["apiVersion"], 1, f"{path.name}: Grafana's provisioning")
    if tool := installed("prometheus", "promtool"):
        place = folder()
        for source in (DOCKER / "prometheus.yml", *(ROOT / "proxy-config" / "prometheus").glob("*.rules.yml")):
            shutil.copy(source, place)
        done = subprocess.run([tool, "check", "config", place / "prometheus.yml"], capture_output=True, text=True)
        checks.that(done.returncode == 0, "docker/prometheus.yml: promtool takes it", done.stdout + done.stderr)
    else:
        say("skipped: promtool check config docker/prometheus.yml, for want of promtool")


def kubernetes(checks):
    """The parts of the example fit together, and pgscope takes its configuration."""
    parts = {part["kind"]: part for part in yaml.safe_load_all(SIDECAR.read_text())}
    checks.equal(set(parts), {"ConfigMap", "Deployment", "NetworkPolicy"}, "sidecar.yaml: the parts")
    file = folder() / "pgscope.toml"
    file.write_text(parts["ConfigMap"]["data"]["pgscope.toml"])
    done = subprocess.run([binary(), "check", file], capture_output=True, text=True)
    checks.that(done.returncode == 0, "sidecar.yaml: pgscope takes the configuration", done.stderr)
    template = parts["Deployment"]["spec"]["template"]
    pod = template["spec"]
    (sidecar,) = pod["initContainers"]
    plain(checks, sidecar["image"], "sidecar.yaml")
    checks.equal(sidecar["restartPolicy"], "Always", "sidecar.yaml: a native sidecar")
    ports = {port["name"]: port["containerPort"] for port in sidecar["ports"]}
    checks.equal(ports, {"pgscope-admin": 9187}, "sidecar.yaml: the port that kubernetes.yml of Prometheus looks for")
    for probe, path in (("startupProbe", "/readyz"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        checks.equal(sidecar[probe]["httpGet"], {"path": path, "port": "pgscope-admin"}, f"sidecar.yaml: {probe}")
    volumes = {volume["name"]: volume["configMap"]["name"] for volume in pod["volumes"]}
    mounted = {volumes[mount["name"]] for mount in sidecar["volumeMounts"]}
    checks.equal(mounted, {parts["ConfigMap"]["metadata"]["name"]}, "sidecar.yaml: the configuration is mounted")
    labels = template["metadata"]["labels"]
    for kind, selector in (("Deployment", "selector"), ("NetworkPolicy", "podSelector")):
        checks.equal(parts[kind]["spec"][selector]["matchLabels"], labels, f"sidecar.yaml: {kind} selects the pods")
    for container in (sidecar, *pod["containers"]):
        checks.that("requests" in container["resources"] and "limits" in container["resources"], f"{container['name']}: resources")


if __name__ == "__main__":
    sys.exit(main())
