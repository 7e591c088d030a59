#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the fuzzers' seeds (tests/fuzz/seeds/) from the recorded messages, and some that no client sends."""

import base64
import gzip
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
SEEDS = HERE.parent / "fuzz/seeds"
KINDS = (b"\1aS\0\0\0\2hi\1bt\1\1cb\xff\1dB\xff\1es\xff\xfe\1fu\xff\xfe\1gI\xff\xff\xff\xfe\1hi\0\0\0\1\1il\x80\0\0\0\0\0\0\0"
         b"\1jL\0\0\0\0\0\0\0\1\1kf\x3f\xc0\0\0\1ld\xbf\xf8\0\0\0\0\0\0\1mD\2\0\0\0\x7b\1nT\0\0\0\0\x65\x53\xf1\0\1oV"
         b"\1pA\0\0\0\4Vt\1V\1qF\0\0\0\3\1bV\1rx\0\0\0\2hi")


def short(text):
    return bytes([len(text)]) + text.encode()


def properties(headers, encoding="utf-8"):
    table = b"".join(short(name) + kind for name, kind in headers)
    return b"\xf0\0" + short("application/json") + short(encoding) + struct.pack(">I", len(table)) + table + b"\2"


def text(value):
    return b"S" + struct.pack(">I", len(value)) + value.encode()


def write(kind, name, data):
    (SEEDS / kind).mkdir(parents=True, exist_ok=True)
    (SEEDS / kind / name).write_bytes(data)


def write_message(name, head, body):
    write("message", name, struct.pack(">H", len(head)) + head + body)


def main():
    for path in sorted(HERE.glob("c*/*.json")) + sorted(HERE.glob("successors/*.json")):
        vector = json.loads(path.read_text())
        head, body = (base64.b64decode(vector[part]) for part in ("properties", "body"))
        if len(body) < 4000:
            write_message(f"{path.parent.name}-{path.stem}", head, body)
        write("properties", f"{path.parent.name}-{path.stem}", head)
    task = [("task", text("t")), ("id", text("i"))]
    body = b'[[1],{"a":2},{"chain":[{"task":"n","options":{"queue":"q","countdown":1}}]}]'
    write_message("base64", properties(task, "base64"), base64.b64encode(body))
    write_message("gzip", properties(task + [("compression", text("gzip"))]), gzip.compress(body, mtime=0))
    write_message("group", properties(task), b'[[],{},{"chain":[{"task":"celery.group","subtask_type":"group"}]}]')
    write_message("errbacks", properties(task), b'[[],{},{"errbacks":[{"task":"n","options":{"task_id":"x"}}]}]')
    write("properties", "kinds", b"\x20\0" + struct.pack(">I", len(KINDS)) + KINDS)
    write("properties", "table", KINDS)


if __name__ == "__main__":
    main()
