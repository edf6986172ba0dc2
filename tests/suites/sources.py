"""Other people's sources, fetched once into target/suites: nothing of theirs is kept in this repository."""

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from harness.console import say
from harness.process import target

APT = Path("/etc/apt")


class Missing(Exception):
    """Something cannot be had on this machine; the text says what and why."""


def of_pypi(package, version):
    """The unpacked source distribution."""
    place = target() / "suites" / f"{package}-{version}"
    with _once(place, f"the source of {package} {version}") as wanted:
        if wanted:
            fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", place]
            _run([*fetch, f"{package}=={version}"], place)
            _unpack(place, "*.tar.gz")
    return next(path for path in place.iterdir() if path.is_dir())


def python_packages(name, *packages):
    """A folder for PYTHONPATH with these packages and what they need."""
    key = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:8]
    place = target() / "suites" / f"{name}-packages-{key}"
    with _once(place, ", ".join(packages)) as wanted:
        if wanted:
            _run([sys.executable, "-m", "pip", "install", "--quiet", "--target", place, *packages], place)
    return place


def of_crates(name, version):
    """The published source of a crate, as a project of its own."""
    place = target() / "suites" / f"{name}-{version}"
    with _once(place, f"the crate {name} {version}") as wanted:
        if wanted:
            # cargo has no command that only downloads: a project that depends on a crate brings it into the registry.
            (place / "probe" / "src").mkdir(parents=True)
            (place / "probe" / "src" / "lib.rs").touch()
            manifest = f'[package]\nname = "probe"\nedition = "2021"\n[workspace]\n[dependencies]\n{name} = "={version}"\n'
            (place / "probe" / "Cargo.toml").write_text(manifest)
            told = json.loads(_run(["cargo", "metadata", "--format-version", "1"], place / "probe"))
            found = next(package["manifest_path"] for package in told["packages"] if package["name"] == name)
            shutil.copytree(Path(found).parent, place / "source")
            with open(place / "source" / "Cargo.toml", "a") as manifest:
                manifest.write("\n[workspace]\n")
    return place / "source"


def of_npm(name, tested, needed):
    """A folder with the node_modules that are needed, and beside it the unpacked packages whose tests are wanted."""
    place = target() / "suites" / name
    with _once(place, f"{', '.join(tested)} and what they need") as wanted:
        if wanted:
            (place / "package.json").write_text("{}")
            _run(["npm", "install", "--silent", "--no-audit", "--no-fund", *needed], place)
            for package in tested:
                archive = place / _run(["npm", "pack", "--silent", package], place).split()[-1]
                shutil.unpack_archive(archive, place / "unpacked")
                (place / "unpacked" / "package").rename(place / package.rpartition("@")[0])
    return place


def of_debian(package, version=None):
    """The unpacked source of a Debian package as its authors released it."""
    place = target() / "suites" / f"debian-{package}-{version or 'newest'}"
    with _once(place, f"the source of Debian's {package} {version or ''}") as wanted:
        if wanted:
            apt = _apt_for_sources(place)
            _run([*apt, "update"], place)
            source = f"{package}={version}" if version else package
            _run([*apt, "source", "--download-only", source], place)
            _unpack(place, "*.orig.tar.*")
            shutil.rmtree(place / "lists")
            shutil.rmtree(place / "parts")
    return next(path for path in place.iterdir() if path.is_dir())


def files_of_debian(package, version):
    """The files of a Debian package, unpacked without being installed."""
    place = target() / "suites" / f"debian-{package}-{version}"
    with _once(place, f"Debian's {package} {version}") as wanted:
        if wanted:
            _run(["apt-get", "-o", "APT::Sandbox::User=root", "download", f"{package}={version}"], place)
            _run(["dpkg", "-x", next(place.glob("*.deb")), "."], place)
    return place


def debian_version(package):
    """The version of an installed Debian package."""
    query = ["dpkg-query", "--show", "--showformat", "${Version}", package]
    with contextlib.suppress(FileNotFoundError):
        done = subprocess.run(query, capture_output=True, text=True)
        if done.returncode == 0 and done.stdout:
            return done.stdout
    raise Missing(f"{package} is not installed as a Debian package")


@contextlib.contextmanager
def _once(place, what):
    """Whether the folder is still to be filled; it counts as filled where the block ends well."""
    if (place / "ready").exists():
        yield False
        return
    say(f"fetching {what} into {place}")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    yield True
    (place / "ready").touch()


def _run(command, cwd):
    try:
        done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise Missing(f"{command[0]} is missing") from error
    if done.returncode:
        raise Missing(f"{' '.join(map(str, command[:6]))} …: {(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout


def _unpack(place, pattern):
    archive = next(place.glob(pattern))
    shutil.unpack_archive(archive, place)
    archive.unlink()


def _apt_for_sources(place):
    """apt-get with the machine's own places, asked for sources, and with lists of its own."""
    parts = place / "parts"
    (place / "lists" / "partial").mkdir(parents=True)
    parts.mkdir()
    for file in [APT / "sources.list", *(APT / "sources.list.d").glob("*")]:
        if not file.exists() or file.suffix not in (".list", ".sources"):
            continue
        text = file.read_text()
        if file.suffix == ".sources":
            lines = ["Types: deb-src" if line.startswith("Types:") else line for line in text.splitlines()]
        else:
            lines = [line.replace("deb", "deb-src", 1) for line in text.splitlines() if line.startswith("deb ")]
        (parts / file.name).write_text("\n".join(lines) + "\n")
    options = {
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": parts,
        "Dir::State::Lists": place / "lists",
        "APT::Sandbox::User": "root",
    }
    return ["apt-get", "-qq", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]
