# SPDX-License-Identifier: Apache-2.0
"""A figure of the table: what was measured for chard, the raw ceiling and the peer, and whether it holds.

raw_ratio is chard / raw. peer_ratio says how many times better chard is than the peer: chard / peer where more is better,
peer / chard where less is."""

import dataclasses
import statistics

PARTIES = ("chard", "raw", "peer")


@dataclasses.dataclass
class Goal:
    """What a figure is to reach. `kind` is one of the methods of Figure below."""
    kind: str
    value: float

    def text(self, unit):
        return {"at_least": f">= {number(self.value)} {unit}", "at_most": f"<= {number(self.value)} {unit}",
                "of_raw": f">= {self.value:g} x raw",
                "times_better": f">= {self.value:g} x better than the peer",
                "flat": f"within {self.value * 100:g} %"}[self.kind]


class Figure:
    def __init__(self, ident, what, unit, *goals, more=True, note="", **why):
        self.ident, self.what, self.unit, self.goals, self.more = ident, what, unit, goals, more
        self.samples = {party: [] for party in PARTIES}
        self.note = note
        self.why = dict(why)  # party -> why it was not measured
        self.failed = []  # why rounds failed, of which something may be missing here

    def add(self, party, value):
        self.samples[party].append(float(value))

    def median(self, party):
        return statistics.median(self.samples[party]) if self.samples[party] else None

    def ratio(self, over, under):
        return over / under if over is not None and under else None

    @property
    def raw_ratio(self):
        return self.ratio(self.median("chard"), self.median("raw"))

    @property
    def peer_ratio(self):
        chard, peer = self.median("chard"), self.median("peer")
        return self.ratio(chard, peer) if self.more else self.ratio(peer, chard)

    # --- goals: True, False, or None when it can't be said ----------------------------------------------

    def reached(self, goal):
        chard = self.median("chard")
        if chard is None:
            return None
        if goal.kind == "at_least":
            return chard >= goal.value
        if goal.kind == "at_most":
            return chard <= goal.value
        if goal.kind == "flat":
            return max(self.samples["chard"]) <= min(self.samples["chard"]) * (1 + goal.value)
        ratio = self.raw_ratio if goal.kind == "of_raw" else self.peer_ratio
        return None if ratio is None else ratio >= goal.value

    @property
    def holds(self):
        """False when a goal is missed, None when one can't be judged or there is none."""
        verdicts = [self.reached(goal) for goal in self.goals]
        if False in verdicts:
            return False
        return None if not verdicts or None in verdicts else True

    def as_json(self):
        """The figure's object in bench.json; what else is to be said of it is in as_detail."""
        out = {"id": self.ident, "unit": self.unit}
        out |= {party: self.median(party) for party in PARTIES}
        return out | {"raw_ratio": self.raw_ratio, "peer_ratio": self.peer_ratio, "holds": self.holds}

    def as_detail(self):
        out = {"id": self.ident, "what": self.what, "goal": [goal.text(self.unit) for goal in self.goals],
               "more_is_better": self.more, "note": self.note, "samples": self.samples}
        for party in PARTIES:
            values = self.samples[party]
            out[f"{party}_min"], out[f"{party}_max"] = (min(values), max(values)) if values else (None, None)
            out[f"{party}_rounds"] = len(values)
        out["why"] = {party: self.reason(party) for party in PARTIES if not self.samples[party]}
        out["failed_rounds"] = self.failed
        return out

    def reason(self, party):
        """Why it was not measured."""
        return self.why.get(party) or (self.failed[0] if self.failed else "not measured")


def number(value):
    """Three digits that say something; thousands with a comma."""
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


def spread(figure, party):
    """median (min … max)"""
    values = figure.samples[party]
    if not values:
        return "-"
    if len(values) == 1 or min(values) == max(values):
        return number(values[0])
    return f"{number(figure.median(party))} ({number(min(values))}…{number(max(values))})"


def print_table(figures, out):
    lines = table_lines(figures)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip(), file=out)
    for figure in figures:
        for text in remarks(figure):
            print(f"{figure.ident}: {text}", file=out)


def write_markdown(path, figures):
    """The same table for the docs."""
    head, *lines = table_lines(figures)
    rows = [head, ["---"] * 3 + ["--:"] * 5 + ["---"] * 2, *lines]
    path.write_text("".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n" for row in rows),
                    encoding="utf-8")


def remarks(figure):
    """What must be said beside the figure: its note, and why a party was not measured."""
    missing = [f"{party}: {figure.reason(party)}" for party in PARTIES if not figure.samples[party]]
    failed = [f"{len(figure.failed)} rounds failed: {figure.failed[0]}"] if figure.failed else []
    return [text for text in [figure.note, *missing, *failed] if text]


def table_lines(figures):
    head = ["row", "what", "unit", "chard", "raw", "peer", "of raw", "x peer", "to reach", "holds"]
    lines = [head]
    for figure in figures:
        words = {True: "yes", False: "NO", None: "?" if figure.goals else ""}
        ratios = [f"{ratio:.2f}" if ratio is not None else "-" for ratio in (figure.raw_ratio, figure.peer_ratio)]
        lines.append([figure.ident, figure.what, figure.unit, *(spread(figure, party) for party in PARTIES), *ratios,
                      ", ".join(goal.text(figure.unit) for goal in figure.goals), words[figure.holds]])
    return lines
