"""Draws DOT text with the Graphviz that the pygraphviz wheel bundles, in a process of its own.

    python -m inspector.render.graphviz_worker FORMAT < picture.dot > picture.png

A layout cannot be interrupted from Python while Graphviz's C code runs, and that code ends the
process on some inputs; so a parent starts this program and kills it when its time is up.
It imports nothing else of this package: it must start fast.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Draw standard input in the format named by the first argument, onto standard output.

    Returns:
        The exit status: 0, or 1 after a message on standard error.
    """
    import pygraphviz

    text = sys.stdin.buffer.read().decode("utf-8")
    try:
        drawn = pygraphviz.AGraph(string=text).draw(format=sys.argv[1], prog="dot")
    except (pygraphviz.DotError, ValueError, OSError) as error:
        # Graphviz has usually said why on standard error already; this line then adds nothing.
        print(f"pygraphviz: {error}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(drawn or b"")
    return 0


if __name__ == "__main__":
    sys.exit(main())
