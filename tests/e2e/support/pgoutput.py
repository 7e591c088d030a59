# SPDX-License-Identifier: Apache-2.0
"""Reads what PostgreSQL's plug-in pgoutput writes, as far as tests need it: the rows that were inserted. Source: PostgreSQL, "Logical Replication Message Formats"."""

import struct


def text_at(data, at):
    end = data.index(0, at)
    return data[at:end].decode(), end + 1


def relation(data):
    """Its number and the names of its columns."""
    number, = struct.unpack_from("!I", data, 1)
    _, at = text_at(data, 5)
    name, at = text_at(data, at)
    count, = struct.unpack_from("!H", data, at + 1)
    at += 3
    columns = []
    for _ in range(count):
        column, at = text_at(data, at + 1)
        columns.append(column)
        at += 8
    return number, (name, columns)


def row(data, columns):
    values, at = {}, 8
    for column in columns:
        kind, at = data[at:at + 1], at + 1
        if kind == b"t":
            size, = struct.unpack_from("!I", data, at)
            values[column] = data[at + 4:at + 4 + size].decode()
            at += 4 + size
        else:
            values[column] = None
    return values


def inserts(messages, table):
    """The rows that went into a table, in their order, as dicts of texts."""
    relations, found = {}, []
    for data in map(bytes, messages):
        if data[:1] == b"R":
            number, known = relation(data)
            relations[number] = known
        elif data[:1] == b"I":
            name, columns = relations[struct.unpack_from("!I", data, 1)[0]]
            if name == table:
                found.append(row(data, columns))
    return found
