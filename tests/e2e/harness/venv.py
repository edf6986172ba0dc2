"""Python environments with what the apps need, made once per content of their requirements."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .console import say
from .process import target

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements.txt"
MARK = "PGSCOPE_E2E_VENV"
HAS_ENSUREPIP = "importlib.util.find_spec('ensurepip') is not None"


def run_in_venv(requirements=REQUIREMENTS):
    """Restart this script inside the environment, unless it runs there already."""
    venv = ensure_venv(requirements)
    if os.environ.get(MARK) != str(venv):
        sys.stdout.flush()
        python = venv / "bin" / "python"
        os.execve(python, [str(python), *sys.argv], environment(venv))


def environment(venv):
    """The variables for a Python of this environment."""
    env = {**os.environ, MARK: str(venv), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    packages = venv / "packages"
    if packages.exists():
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(packages), env.get("PYTHONPATH")]))
    return env


def ensure_venv(requirements=REQUIREMENTS):
    """The folder of the environment, made anew where requirements.txt or the Python changed."""
    if inside := os.environ.get(MARK):
        return Path(inside)
    return venv_for(requirements, sys.executable)


def venv_for(requirements, python):
    """The environment of these requirements for a Python that need not be this one."""
    key = hashlib.sha256(requirements.read_bytes() + _ask(python, "sys.version").encode()).hexdigest()[:12]
    venv = target() / f"e2e-venv-{key}"
    ready = venv / "ready"
    if ready.exists():
        return venv
    shutil.rmtree(venv, ignore_errors=True)
    venv.parent.mkdir(parents=True, exist_ok=True)
    wanted = ", ".join(requirements.read_text().split())
    say(f"installing into {venv} (once): {wanted}")
    if _ask(python, HAS_ENSUREPIP) == "True":
        subprocess.run([python, "-m", "venv", venv], check=True)
        install = [venv / "bin" / "python", "-m", "pip", "install"]
    else:
        install = _without_ensurepip(venv)
    try:
        subprocess.run([*install, "--quiet", "--disable-pip-version-check", "-r", requirements], check=True)
    except subprocess.CalledProcessError:
        sys.exit("pip could not install the packages above; its message says why")
    ready.touch()
    return venv


def python_from(*version):
    """A Python of at least this version: this one, or one that can make environments on the path or of pyenv. None where
    there is none."""
    if sys.version_info >= version:
        return sys.executable
    names = [f"python3.{minor}" for minor in range(version[1], version[1] + 4)]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which(name) for name in names] + [path for name in names for path in sorted(pyenv.glob(f"*/bin/{name}"))]
    # The shims of pyenv are on the path also where they lead to nothing.
    fits = f"sys.version_info >= {version} and {HAS_ENSUREPIP}"
    return next((str(path) for path in found if path and _ask(path, fits) == "True"), None)


def _ask(python, expression):
    """What an expression is for that Python, as text; empty where it does not run."""
    code = f"import importlib.util, sys; print({expression}, end='')"
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout


def _without_ensurepip(venv):
    """Debian without python3-venv: `virtualenv` where it is there, else `pip install --target`, else the package."""
    if importlib.util.find_spec("virtualenv"):
        say("python3-venv is missing: using virtualenv")
        subprocess.run([sys.executable, "-m", "virtualenv", "--quiet", venv], check=True)
        return [venv / "bin" / "python", "-m", "pip", "install"]
    if importlib.util.find_spec("pip"):
        say("python3-venv is missing: using pip install --target")
        (venv / "bin").mkdir(parents=True)
        (venv / "bin" / "python").symlink_to(sys.executable)
        return [sys.executable, "-m", "pip", "install", "--target", venv / "packages"]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say("installing the Debian package python3-venv")
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "python3-venv"], check=True)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        return [venv / "bin" / "python", "-m", "pip", "install"]
    sys.exit("this Python has neither venv, virtualenv nor pip: install python3-venv (Debian) and try again")
