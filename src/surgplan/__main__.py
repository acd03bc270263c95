"""`python -m surgplan` and the entry point of the `surgplan` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    from surgplan.cli.main import flushed, run

    sys.exit(flushed(run()))


if __name__ == "__main__":
    main()
