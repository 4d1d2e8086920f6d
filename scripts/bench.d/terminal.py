"""What is printed to a terminal, with its colours, as a picture (SVG): standard input to standard output."""

import html
import re
import sys

CHARACTER, LINE, MARGIN = 7.8, 17, 14
# Of the eight colours of a terminal those that our programs use.
COLORS = {31: "#e5534b", 32: "#57ab5a", 33: "#c69026", 34: "#539bf5", 35: "#b083f0", 36: "#39c5cf", 90: "#8b949e"}


def pieces(line):
    """A line as pieces of text, each with its attributes."""
    style = {}
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if not part.startswith("\x1b"):
            if part:
                yield part, dict(style)
            continue
        for code in map(int, filter(None, part[2:-1].split(";") or ["0"])):
            if code == 0:
                style.clear()
            elif code == 1:
                style["font-weight"] = "bold"
            elif code == 2:
                style["fill"] = COLORS[90]
            elif code in COLORS:
                style["fill"] = COLORS[code]
            elif code == 39:
                style.pop("fill", None)
            elif code == 22:
                style.pop("font-weight", None)
        if part == "\x1b[m":
            style.clear()


def main():
    lines = sys.stdin.read().rstrip("\n").split("\n")
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    width = round(2 * MARGIN + CHARACTER * max(map(len, plain)))
    height = 2 * MARGIN + LINE * len(lines)
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">')
    print(f'<rect width="{width}" height="{height}" rx="8" fill="#1c2128"/>')
    print('<g font-family="ui-monospace,DejaVu Sans Mono,Menlo,Consolas,monospace" font-size="13" fill="#cdd9e5">')
    for number, line in enumerate(lines):
        spans, column = [], 0
        for text, style in pieces(line):
            attributes = "".join(f' {key}="{value}"' for key, value in style.items())
            x = MARGIN + CHARACTER * column
            # Fonts differ in width: the picture says where a piece ends.
            length = f' textLength="{CHARACTER * len(text):.1f}"'
            spans.append(f'<tspan x="{x:.1f}"{length}{attributes}>{html.escape(text)}</tspan>')
            column += len(text)
        if spans:
            print(f'<text xml:space="preserve" y="{MARGIN + LINE * (number + 1) - 4}">{"".join(spans)}</text>')
    print("</g>\n</svg>")


if __name__ == "__main__":
    main()
