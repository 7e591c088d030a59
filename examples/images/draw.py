#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the pictures of the sample scans: one PNG each, small enough to travel inside a data: URL.

    examples/images/draw.py [FOLDER]      the folder defaults to the one of this script

A picture is a list of polygons (colour, points), painted in order on a 128 x 128 canvas. It is kept as
an indexed PNG of 16 colours, 4 bits a pixel (PNG specification, third edition, sections 5 and 11).
"""
import math
import pathlib
import struct
import sys
import zlib

SIZE = 128
COLOURS = {
    "wall": (240, 238, 230), "table": (205, 190, 165), "shade": (165, 150, 128), "water": (214, 236, 245),
    "edge": (120, 170, 195), "shine": (255, 255, 255), "cap": (50, 110, 190), "silver": (200, 204, 210),
    "grey": (140, 146, 154), "red": (200, 45, 45), "black": (38, 40, 44), "gold": (214, 160, 62),
    "glass": (176, 214, 200), "dark": (92, 140, 124),
}
NAMES = list(COLOURS)


def box(left, top, right, bottom):
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def oval(x, y, width, height):
    steps = [2 * math.pi * i / 40 for i in range(40)]
    return [(x + width * math.cos(a), y + height * math.sin(a)) for a in steps]


SCENE = [("wall", box(0, 0, 128, 96)), ("table", box(0, 96, 128, 128))]
PICTURES = {
    "clear-pet": SCENE + [
        ("shade", oval(70, 116, 34, 6)),
        ("edge", [(55, 26), (73, 26), (73, 34), (88, 52), (88, 114), (84, 118), (44, 118), (40, 114), (40, 52), (55, 34)]),
        ("water", [(57, 26), (71, 26), (71, 35), (86, 53), (86, 113), (83, 116), (45, 116), (42, 113), (42, 53), (57, 35)]),
        ("edge", box(42, 64, 86, 66)), ("edge", box(42, 78, 86, 80)), ("edge", box(42, 92, 86, 94)),
        ("shine", box(48, 56, 52, 110)), ("cap", box(54, 14, 74, 26)), ("edge", box(53, 26, 75, 29)),
    ],
    "aluminium-can": SCENE + [
        ("shade", oval(70, 116, 36, 7)), ("grey", oval(64, 112, 28, 7)), ("silver", box(36, 30, 92, 112)),
        ("red", box(36, 40, 92, 100)), ("shine", box(42, 40, 47, 100)), ("silver", oval(64, 30, 28, 8)),
        ("grey", oval(64, 30, 24, 6)), ("silver", oval(64, 30, 22, 5)), ("black", oval(64, 33, 8, 2)),
        ("grey", oval(64, 28, 6, 2)), ("shine", [(54, 62), (64, 54), (74, 62), (74, 78), (64, 86), (54, 78)]),
    ],
    "broken-glass": SCENE + [
        ("shade", oval(64, 114, 48, 8)),
        ("dark", [(36, 112), (32, 66), (44, 76), (50, 52), (62, 82), (74, 60), (78, 78), (90, 70), (86, 112)]),
        ("glass", [(39, 110), (35, 72), (45, 80), (50, 60), (62, 88), (74, 67), (77, 83), (87, 75), (83, 110)]),
        ("shine", [(42, 106), (40, 84), (44, 86), (46, 106)]), ("glass", [(96, 116), (106, 96), (114, 118)]),
        ("dark", [(96, 116), (106, 96), (102, 116)]), ("glass", [(10, 116), (16, 100), (28, 112)]),
        ("dark", [(10, 116), (28, 112), (20, 120)]), ("glass", [(52, 122), (60, 114), (70, 124)]),
    ],
    "battery": SCENE + [
        ("shade", box(16, 96, 122, 104)), ("silver", box(112, 70, 120, 84)), ("gold", box(82, 58, 112, 97)),
        ("black", box(12, 58, 82, 97)), ("grey", box(12, 63, 82, 67)), ("shine", box(82, 63, 112, 67)),
        ("black", box(94, 74, 104, 77)), ("black", box(98, 70, 101, 81)), ("shine", box(22, 76, 34, 79)),
    ],
}


def inside(points, x, y):
    """Even-odd rule."""
    hit = False
    for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1]):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            hit = not hit
    return hit


def paint(shapes):
    rows = [[0] * SIZE for _ in range(SIZE)]
    for colour, points in shapes:
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        for y in range(max(0, int(min(ys))), min(SIZE, math.ceil(max(ys)))):
            for x in range(max(0, int(min(xs))), min(SIZE, math.ceil(max(xs)))):
                if inside(points, x + 0.5, y + 0.5):
                    rows[y][x] = NAMES.index(colour)
    return rows


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows):
    lines = b"".join(b"\0" + bytes(a << 4 | b for a, b in zip(row[::2], row[1::2])) for row in rows)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIZE, SIZE, 4, 3, 0, 0, 0))
            + chunk(b"PLTE", b"".join(bytes(COLOURS[n]) for n in NAMES))
            + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b""))


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    for name, shapes in PICTURES.items():
        (folder / f"{name}.png").write_bytes(png(paint(shapes)))


if __name__ == "__main__":
    main()
