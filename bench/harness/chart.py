# SPDX-License-Identifier: Apache-2.0
"""The table as a picture: one row a figure, bars for chard, the raw ceiling and the peer, each row on its own scale."""

from html import escape

from .figures import PARTIES, number

COLOURS = {"chard": "#2f6f4f", "raw": "#9aa5b1", "peer": "#c97b2d"}
NAMES = {"chard": "chard", "raw": "raw ceiling", "peer": "Celery"}
WIDTH, LEFT, RIGHT, BAR, GAP = 960, 400, 190, 9, 14
STYLE = """text{font:13px sans-serif;fill:#1f2933}.small{font-size:11px;fill:#52606d}.title{font-size:18px;font-weight:600}
.bg{fill:#fff}.no{fill:#b42318;font-weight:600}"""


def bars(figure, top, out):
    measured = [party for party in PARTIES if figure.samples[party]]
    most = max((figure.median(party) for party in measured), default=0) or 1
    text = f"{figure.ident}  {figure.what}"
    kind = ' class="no"' if figure.holds is False else ""
    out.append(f'<text x="{LEFT - 12}" y="{top + 14}" text-anchor="end"{kind}>{escape(text)}</text>')
    direction = "more is better" if figure.more else "less is better"
    out.append(f'<text class="small" x="{LEFT - 12}" y="{top + 29}" text-anchor="end">'
               f"{escape(figure.unit)}, {direction}</text>")
    for line, party in enumerate(measured):
        value, y = figure.median(party), top + line * (BAR + 3)
        length = max(1.0, (WIDTH - LEFT - RIGHT) * value / most)
        out.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" fill="{COLOURS[party]}"/>')
        out.append(f'<text class="small" x="{LEFT + length + 6:.1f}" y="{y + BAR - 0.5}">'
                   f"{number(value)} {escape(figure.unit)}</text>")
    return top + max(len(measured) * (BAR + 3), 30) + GAP


def legend(top, out):
    x = LEFT
    for party in PARTIES:
        out.append(f'<rect x="{x}" y="{top}" width="12" height="12" rx="2" fill="{COLOURS[party]}"/>')
        out.append(f'<text x="{x + 18}" y="{top + 11}">{NAMES[party]}</text>')
        x += 120


def write_chart(path, figures, title, subtitle):
    """An SVG without scripts, fonts or links, so that it can stand in any page."""
    body = []
    body.append(f'<text class="title" x="24" y="34">{escape(title)}</text>')
    body.append(f'<text class="small" x="24" y="54">{escape(subtitle)}</text>')
    legend(68, body)
    top = 100
    for figure in figures:
        if any(figure.samples.values()):
            top = bars(figure, top, body)
    body.append(f'<text class="small" x="24" y="{top + 8}">Each row has its own scale. Red: the figure does not reach '
                "what it is to reach.</text>")
    height = top + 28
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
                    f'height="{height}" role="img" aria-label="{escape(title)}"><style>{STYLE}</style>'
                    f'<rect class="bg" width="{WIDTH}" height="{height}"/>' + "\n".join(body) + "</svg>\n",
                    encoding="utf-8")
