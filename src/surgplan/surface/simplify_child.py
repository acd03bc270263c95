"""The process in which a part of a large mesh is simplified: `python -m surgplan.surface.simplify_child`.

It reads a pickled `Part` and lengths of steps in mm from stdin, and simplifies the part with one step upon the other.
Then it reads numbers of steps, and answers each on stdout with a pickled reason of failure and, when that is empty, the
vertices, triangles and faces after that step. It ends when stdin does.
"""

from __future__ import annotations

import pickle
import sys

from surgplan.surface.parts import Part
from surgplan.surface.solid import NotManifold, in_steps, simplified_part, solid_of_part


def main() -> None:
    """Simplify the part that stdin brings."""
    given, answers = sys.stdin.buffer, sys.stdout.buffer
    part: Part
    part, steps = pickle.load(given)
    stages, reason = [], ""
    try:
        stages = in_steps(solid_of_part(part), steps)
    except NotManifold as error:
        reason = str(error)
    while True:
        try:
            wanted: int = pickle.load(given)
        except EOFError:
            return
        pickle.dump((reason, None if reason else simplified_part(stages[wanted])), answers, protocol=5)
        answers.flush()


if __name__ == "__main__":
    main()
