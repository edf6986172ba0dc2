"""Writes the seeds of the fuzz targets below tests/fuzz/corpus from the conversations in tests/transcripts and those
with real servers in tests/recordings.

Their languages are described in tests/it/transcripts/language.rs and tests/suites/sequences/recording.py.
"""

import re
import struct
from hashlib import sha1
from pathlib import Path
from random import Random

HERE = Path(__file__).resolve().parent
TRANSCRIPTS, RECORDINGS = HERE.parent / "transcripts", HERE.parent / "recordings"
RAW_FRONTEND, RAW_BACKEND, FRONTEND, BACKEND, PASS, CLOSE = range(6)
MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}

EMPTY = {
    "Sync": b"S", "Flush": b"H", "Terminate": b"X", "EmptyQueryResponse": b"I", "PortalSuspended": b"s",
    "ParseComplete": b"1", "BindComplete": b"2", "CloseComplete": b"3", "NoData": b"n", "CopyDone": b"c",
}
FIXED = {
    "FunctionCall": b"F" + bytes(10), "CopyFail": b"fstop\0", "AuthenticationOk": b"R" + bytes(4),
    "BackendKeyData": b"K" + bytes(8), "ParameterDescription": b"t\0\0", "CopyInResponse": b"G\0\0\0",
    "CopyOutResponse": b"H\0\0\0", "CopyBothResponse": b"W\0\0\0", "FunctionCallResponse": b"V" + b"\xff" * 4,
    "NoticeResponse": b"NSNOTICE\0VNOTICE\0C00000\0Mhello\0\0",
    "NotificationResponse": b"A\0\0\0\x01channel\0payload\0",
}


def packet(code, body=b""):
    return struct.pack(">II", len(body) + 8, code) + body


def name(word):
    return b"\0" if word == "-" else word.encode() + b"\0"


def values(words):
    return b"".join(struct.pack(">I", len(word)) + word.encode() for word in words)


def message(line):
    """Type byte and body of a message; None for bytes without a frame."""
    kind, _, rest = line.partition(" ")
    words = rest.split()
    if kind in EMPTY:
        return EMPTY[kind]
    if kind in FIXED:
        return FIXED[kind]
    match kind:
        case "Query":
            return b"Q" + rest.encode() + b"\0"
        case "Parse":
            first, _, text = rest.partition(" ")
            return b"P" + name(first) + text.encode() + b"\0\0\0"
        case "Bind":
            portal, statement, *bound = words + ["-"] * (2 - len(words))
            count = struct.pack(">H", len(bound))
            return b"B" + name(portal) + name(statement) + b"\0\0" + count + values(bound) + b"\0\0"
        case "Describe" | "Close":
            what, target = (words + ["-"])[:2]
            return (b"C" if kind == "Close" else b"D") + what[:1].encode() + name(target)
        case "Execute":
            portal, limit = (words + ["-", "0"])[:2] if len(words) != 1 else (words[0], "0")
            return b"E" + name(portal) + struct.pack(">I", int(limit) if limit.isdigit() else 0)
        case "CopyData":
            return b"d" + rest.encode()
        case "PasswordMessage":
            return b"p" + name(rest)
        case "ReadyForQuery":
            return b"Z" + rest.encode()
        case "ParameterStatus":
            return b"S" + b"".join(name(word) for word in rest.split(" ", 1))
        case "RowDescription":
            column = bytes(8) + struct.pack(">HIHiH", 0, 23, 4, -1, 0)
            return b"T" + struct.pack(">H", len(words)) + b"".join(name(word) + column for word in words)
        case "DataRow":
            return b"D" + struct.pack(">H", len(words)) + values(words)
        case "CommandComplete":
            return b"C" + name(rest)
        case "ErrorResponse":
            code, severity = (words + ["ERROR"])[:2]
            return f"ES{severity}\0V{severity}\0C{code}\0Mtext\0\0".encode()
    return None


def raw(line):
    kind, _, rest = line.partition(" ")
    match kind:
        case "SSLRequest":
            return packet(80_877_103)
        case "GSSENCRequest":
            return packet(80_877_104)
        case "CancelRequest":
            return packet(80_877_102, bytes(8))
        case "StartupMessage":
            pairs = (pair.partition("=") for pair in rest.split())
            return packet(3 << 16, b"".join(name(key) + name(value) for key, _, value in pairs) + b"\0")
        case "Byte" | "Bytes":
            return rest.encode()
    raise SystemExit(f"unknown message: {line}")


def record(what, payload=b""):
    return struct.pack("<BH", what, min(len(payload), 65535)) + payload[:65535]


def query(rest):
    text, _, answer = rest.rpartition(" -> ") if " -> " in rest else (rest, "", "0 rows")
    yield FRONTEND, message(f"Query {text}")
    yield PASS, b" "
    if answer.startswith("error "):
        yield BACKEND, message(f"ErrorResponse {answer[6:]}")
    elif not text:
        yield BACKEND, message("EmptyQueryResponse")
    else:
        rows = int(answer.split()[0])
        yield BACKEND, message("RowDescription id")
        for row in range(rows):
            yield BACKEND, message(f"DataRow {row}")
        yield BACKEND, message(f"CommandComplete SELECT {rows}")
    yield BACKEND, message("ReadyForQuery I")


def steps(line):
    mark, _, rest = line.partition(" ")
    if mark == "query":
        yield from query(rest)
    elif mark == "explain":
        return  # no byte on the wire
    elif mark in ("close", "open"):
        # One connection after the other: what has to be open at once is for the targets to find.
        yield CLOSE, b""
    elif mark == "+":
        number, unit = re.match(r"(\d+)\s*(\w+)", rest).groups()
        yield PASS, b" " * min(int(number) * MILLISECONDS[unit], 65535)
    else:
        framed = message(rest)
        front = mark == ">"
        if framed is None:
            yield (RAW_FRONTEND if front else RAW_BACKEND), raw(rest)
        else:
            yield (FRONTEND if front else BACKEND), framed


def unescaped(text):
    named = {b"0": b"\0", b"n": b"\n"}

    def byte(found):
        return bytes.fromhex(found[1][1:].decode()) if found[1][:1] == b"x" else named.get(found[1], found[1])

    return re.sub(rb"\\\\(x..|.)", byte, text.encode())


def recorded(path, startups):
    """(major versions, conversation) for each way in which a case was answered."""
    for section in path.read_text().split("\nmajors ")[1:]:
        versions, *lines = section.splitlines()
        said = []
        for line in lines:
            mark, _, words = line.partition(" ")
            tag, _, body = words.partition(" ")
            if mark in ("<", ">"):
                kind = (RAW_FRONTEND if mark == ">" else RAW_BACKEND) if tag == "|" else FRONTEND if mark == ">" else BACKEND
                said.append((kind, unescaped(body) if tag == "|" else tag.encode() + unescaped(body)))
            elif mark == "startup":
                said += startups[versions.split()[0]]
            elif mark == "close":
                said.append((CLOSE, b""))
        yield versions.split(), said


def unrolled(lines):
    """Lines with those from `repeat` to `end` several times: a few are as good a seed as fifty."""
    block = None
    for line in lines:
        if line.startswith("repeat "):
            block = []
        elif line == "end":
            yield from 3 * block
            block = None
        elif block is not None:
            block.append(line)
        else:
            yield line


def conversations():
    for path in sorted(TRANSCRIPTS.glob("*.txt")):
        lines = [line for line in path.read_text().splitlines() if line and line[0] not in "=#"]
        yield [step for line in unrolled(lines) for step in steps(line)]
    startups = {}
    for versions, said in recorded(RECORDINGS / "startup.txt", startups):
        startups |= dict.fromkeys(versions, [step for step in said if step[0] != CLOSE])
    for path in sorted(RECORDINGS.glob("*.txt")):
        for _, said in recorded(path, startups):
            yield said


def write(target, seed):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / sha1(seed).hexdigest()).write_bytes(seed)


def frame(payload):
    return payload[:1] + struct.pack(">I", len(payload) + 3) + payload[1:]


def main():
    for conversation in conversations():
        records = b"".join(record(*step) for step in conversation)
        write("session", b"\x07" + records)
        # Odd: records. Small tables, and no order of conversations.
        write("profiler", b"\x01\x02" + bytes(16) + records)
        for flags in (b"\x06\x40", b"\x07\x02", b"\x1e\x05"):
            write("relay", flags + b"".join(record(*step) for step in conversation if step[0] != PASS))
        for side in (FRONTEND, BACKEND):
            write("frame", b"\x07" + b"".join(frame(payload) for what, payload in conversation if what == side))
        for what, payload in conversation:
            if what in (RAW_FRONTEND, RAW_BACKEND):
                write("startup", payload)
            elif what == BACKEND and payload[:1] in b"ESC":
                write("startup", payload[1:])
            elif what == FRONTEND and payload[:1] in b"QP":
                text = payload[1:].strip(b"\0")
                write("normalise", b"\0\0" + text)
                for comment in re.findall(rb"/\*(.*?)\*/", text):
                    write("comment", comment)
    # Every token of the target's own grammar.
    write("normalise", b"\x02\0" + bytes(range(64)))
    for seed in range(40):
        write("normalise", b"\x03\0" + bytes((seed * 31 + step * (seed + 7)) % 251 for step in range(60)))
    write("comment", b"route='%5Ebooks/%24',traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'")
    # What the generator of conversations makes of any bytes is valid.
    numbers = Random(20)
    for length in (20, 60, 120, 300):
        for _ in range(15):
            choices = numbers.randbytes(length)
            write("conversation", bytes(18) + choices)
            write("conversation", bytes(2) + numbers.randbytes(4) + bytes(12) + choices)
            write("profiler", b"\x00\x03" + numbers.randbytes(16) + choices)
    for target in sorted(path.name for path in (HERE / "corpus").iterdir()):
        print(f"{target}: {len(list((HERE / 'corpus' / target).iterdir()))} inputs to start from")


if __name__ == "__main__":
    main()
