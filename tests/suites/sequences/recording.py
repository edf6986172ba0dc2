"""Conversations as they were had, kept in tests/recordings for the tests that need no server.

One file a case, one section for each way in which servers answered it, with their major versions. A line is a message:

    majors 12 13        the versions that say exactly this; where bodies differ from run to run, one speaks for all
    counts 3 queries    what pgscope must count of it, and of what is lost: `1 blind framing`
    startup             the conversation of startup.txt, but for its end
    > Q select 1\\0      from the client: type and body; the length follows from it
    < Z I               from the server
    > | Q\\0\\0\\0\\3       bytes that are no whole message
    close               the connection ends

A body is text, with \\\\, \\0, \\n and \\xNN for what cannot be printed. Lines that start with `=` are what pgscope makes of
it; they belong to `cargo test`, which writes them anew with UPDATE=1.
"""

import re
import struct

from harness.console import say
from harness.process import ROOT

FOLDER = ROOT / "tests" / "recordings"
# Conversations with more text than this are not kept: they are only played.
LONGEST = 32 * 1024
# What says where in the server's source an error was raised, and differs from version to version.
PLACE = re.compile(rb"(?<=\0)([FLR])[^\0]*(?=\0)")


def shape(heard):
    """Tags without those that may come at any time, and with runs of rows as one."""
    tags = []
    for tag, _ in heard:
        if tag not in ("S", "N", "A", "d") and not (tag == "D" and tags[-1:] == ["D"]):
            tags.append(tag)
    return tags


def masked(heard):
    """What must be equal however often a sequence is played: keys and process ids are hidden."""
    hidden = {"K": lambda body: b"\0" * len(body), "A": lambda body: b"\0\0\0\0" + body[4:]}
    return [(tag, hidden.get(tag, bytes)(body)) for tag, body in heard]


def kept(tag, body):
    """`masked`, and without what differs between servers although it means the same."""
    [(_, body)] = masked([(tag, body)])
    if tag in "EN":
        return PLACE.sub(rb"\1-", b"\0" + body)[1:]
    if tag == "S" and body.startswith(b"server_version\0"):
        return b"server_version\0" + b"-\0"
    if tag == "T":
        return without_oids(body)
    return body


def without_oids(body):
    """RowDescription with the object ids of its tables hidden."""
    (fields,), at, out = struct.unpack_from("!h", body), 2, body[:2]
    for _ in range(fields):
        end = body.index(b"\0", at) + 1
        out += body[at:end] + b"\0\0\0\0" + body[end + 4 : end + 18]
        at = end + 18
    return out


def text(body):
    """Bytes as printable text."""
    special = {0: "\\0", 10: "\\n", 92: "\\\\"}
    out = "".join(special.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in body)
    return out[:-1] + "\\x20" if out.endswith(" ") else out


def messages(data):
    """(tag, body) of each message in the client's bytes; the tag is `|` for bytes that are none."""
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at + 1 : at + 5], "big", signed=True)
        if length < 4 or at + 1 + length > len(data) or not 33 <= data[at] < 127:
            yield "|", data[at:]
            return
        yield chr(data[at]), data[at + 5 : at + 1 + length]
        at += 1 + length


def lines(case, blind, exchange):
    """The lines of a section."""
    losses = [f", {n} blind {why}" for why, n in blind.items()] + [f", {n} dropped {why}" for why, n in case.dropped.items()]
    out = [f"counts {case.queries} queries" + "".join(losses)]
    plain = not case.raw and case.version == (3, 0) and case.hello == "Z" and not case.options and case.name != "startup"
    if plain:
        first = exchange.index(("Z", b"I"))
        exchange = exchange[first + 1 :]
        out.append("startup")
    # The packets that open a connection have no type.
    opening, streams = not plain, False
    for said in exchange:
        if isinstance(said, bytes):
            out += [f"> {tag} {text(body)}".rstrip() for tag, body in ([("|", said)] if opening else messages(said))]
            opening &= case.raw
            continue
        tag, body = said
        opening &= tag == "byte"
        streams |= tag == "W"
        if streams and tag == "d":
            # Positions in the log and times, which nobody reads here.
            body = body[:1] + bytes(len(body) - 1)
        if tag in ("EOF", "byte"):
            out += [f"< | {text(body)}"] if body else []
        else:
            out.append(f"< {tag} {text(kept(tag, body))}".rstrip())
    return out + ["close"]


class Recordings:
    """The conversations of one run."""

    def __init__(self):
        # By the name of the case: a list of [majors, lines].
        self.cases = {}

    def add(self, case, major, blind, exchange):
        """Keep what was said to a server and heard from it. False where it is too long."""
        said = lines(case, blind, exchange)
        if sum(map(len, said)) > LONGEST:
            return False
        sections = self.cases.setdefault(case.name, [])
        if case.loose:
            # What differs from run to run only is no reason to write it anew.
            said = next((old for old in recorded(case.name) if outline(old) == outline(said)), said)
        for section in sections:
            if section[1] == said or (case.loose and outline(section[1]) == outline(said)):
                section[0].append(major)
                return True
        sections.append([[major], said])
        return True

    def write(self):
        """Write the files of the cases that were played. Their events are for `cargo test` to add."""
        FOLDER.mkdir(exist_ok=True)
        for name, sections in self.cases.items():
            body = "".join(f"\nmajors {' '.join(map(str, majors))}\n" + "\n".join(said) + "\n" for majors, said in sections)
            place(name).write_text(f"# {name}\n{body}")
        say(f"{len(self.cases)} conversations are in {FOLDER}; now: UPDATE=1 cargo test --test it recordings")


def recorded(name):
    """The lines of each section that an earlier run has written."""
    sections = place(name).read_text().split("\nmajors ")[1:] if place(name).exists() else []
    return [[line for line in section.split("\n")[1:] if line and line[0] != "="] for section in sections]


def outline(said):
    """The messages without what differs from run to run: bodies, repetitions, and what may come at any time."""
    heads = [line if line[0] != "<" or line[2] in "CZ" else line[:3] for line in said]
    heads = [head for head in heads if head not in ("< S", "< N", "< A", "< d")]
    return [head for at, head in enumerate(heads) if heads[at - 1 : at] != [head]]


def place(name):
    """The file of a case."""
    return FOLDER / (re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") + ".txt")
