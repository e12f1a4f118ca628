"""Draws DOT text with the Graphviz that the pygraphviz wheel bundles, in a process of its own.

    python -m inspector.render.graphviz_worker FORMAT < picture.dot > picture.png
    python -m inspector.render.graphviz_worker FORMAT --engine=nop2 < placed.dot > picture.png
    python -m inspector.render.graphviz_worker FORMAT --serve

A layout cannot be interrupted from Python while Graphviz's C code runs, and that code ends the
process on some inputs; so a parent starts this program and kills it when its time is up.
With `--serve` it draws one graph after another: each is a line with its length in bytes, and the
text; each answer a line with "ok" or "error" and a length, and the drawing or the reason.
It imports nothing else of this package: it must start fast.
"""

from __future__ import annotations

import sys


def draw(text: str, format: str, engine: str = "dot") -> bytes:
    """Return one graph's drawing.

    Raises:
        pygraphviz.DotError, ValueError, OSError: Graphviz cannot draw it.
    """
    import pygraphviz

    return pygraphviz.AGraph(string=text).draw(format=format, prog=engine) or b""


def serve(format: str) -> None:
    """Draw what standard input asks for until it ends."""
    import pygraphviz

    while header := sys.stdin.buffer.readline():
        text = sys.stdin.buffer.read(int(header)).decode("utf-8")
        try:
            state, answer = "ok", draw(text, format)
        except (pygraphviz.DotError, ValueError, OSError) as error:
            state, answer = "error", f"pygraphviz: {error}".encode()
        sys.stdout.buffer.write(f"{state} {len(answer)}\n".encode() + answer)
        sys.stdout.buffer.flush()


def main() -> int:
    """Draw standard input in the format named by the first argument, onto standard output.

    Returns:
        The exit status: 0, or 1 after a message on standard error.
    """
    if sys.argv[2:] == ["--serve"]:
        serve(sys.argv[1])
        return 0
    import pygraphviz

    try:
        engine = "".join(sys.argv[2:]).removeprefix("--engine=") or "dot"
        drawn = draw(sys.stdin.buffer.read().decode("utf-8"), sys.argv[1], engine)
    except (pygraphviz.DotError, ValueError, OSError) as error:
        # Graphviz has usually said why on standard error already; this line then adds nothing.
        print(f"pygraphviz: {error}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(drawn)
    return 0


if __name__ == "__main__":
    sys.exit(main())
