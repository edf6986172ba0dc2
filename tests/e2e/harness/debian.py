"""Programs of Debian packages that tests like to have and may go without."""

import os
import shutil
import subprocess

from .console import say


def program(name):
    """Path of a program, also of one that Debian keeps in sbin."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")


def installed(package, name):
    """Path of a package's program, installed where this may; else None, and why is printed."""
    if not program(name) and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"installing the Debian package {package}")
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", package]):
            subprocess.run(["apt-get", *words], env=env, stdout=subprocess.DEVNULL)
    if not program(name):
        say(f"{name} is not there and could not be installed (Debian package {package})")
    return program(name)
