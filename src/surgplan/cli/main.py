"""The group of all commands, each imported when it is called, and the exit codes."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import click

from surgplan import __version__
from surgplan.cli.output import say_last, show_error
from surgplan.errors import Missing, OutOfResources, SurgplanError

COMMANDS = {
    "run": "The whole pipeline: from a scan to models, navigation data and a report.",
    "batch": "Many cases unattended: one bad case never stops the rest.",
    "ingest": "Read and check a scan, write it as one volume.",
    "segment": "Label the structures of a volume.",
    "surface": "Extract a watertight surface for each label.",
    "repair": "Make a mesh watertight, changing as little as possible.",
    "convert": "Write meshes in another format; unit and frame are never guessed.",
    "print": "Prepare surfaces for the printer: one coloured 3MF.",
    "printcheck": "Is a print as large as it should be? Errors, bias, and a history of each printer.",
    "navigate": "Landmarks, fiducials and transforms for a navigation system.",
    "landmarks": "Convert, match and check lists of points; find anatomical points on a surface.",
    "frames": "Which frames there are, and how one leads to another.",
    "register": "Bring points, surfaces or scans into one frame, and state the error at the target.",
    "collect": "Points touched with a tracked pointer, from a recording.",
    "trajectories": "Measure a straight path against what it must avoid, or search the best entries for a target.",
    "measure": "Distances, angles, areas, volumes, intensities, and how left and right differ.",
    "stream": "Serve a case's plan over OpenIGTLink, to 3D Slicer or PLUS.",
    "report": "Make the report of a case again.",
    "check": "Check meshes or a case: topology, size, units, findings.",
    "share": "Pack a case for a colleague who has no surgplan, once nothing private was found in it.",
    "match": "Which cases belong to a patient, by the lab's key.",
    "approve": "Approve a finished case; any later change voids it.",
    "verify": "Does every file of a case still have its hash, and does every approval hold?",
    "reproduce": "Is a case made again to the same bytes?",
    "log": "What was done to a case, when and by whom, and whether anybody changed that.",
    "example": "Make an example case with known truth.",
    "recipes": "List, show and explain recipes.",
    "models": "List, explain and check networks of the lab's own.",
    "printers": "List the printers that recipes can name.",
    "info": "Versions, folders and what optional parts are installed.",
    "completion": "Print the shell's completion script.",
}
"""Command → its one line of help; each lives in the module of its name (`print` in `print_.py`)."""

INTERRUPTED = 130


class LazyGroup(click.Group):
    """Knows its commands' names and help without importing them: `--help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one command that was asked for."""
        if cmd_name not in COMMANDS:
            return None
        module = "print_" if cmd_name == "print" else cmd_name
        command = importlib.import_module(f"surgplan.cli.{module}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, made from `COMMANDS` alone."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, but an unknown command names the nearest one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], COMMANDS, n=1)
            hint = f"Did you mean `surgplan {close[0]}`?" if close else "`surgplan --help` lists the commands."
            raise click.UsageError(f"there is no command `{args[0]}`. {hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "SURGPLAN",
        "max_content_width": 110,
    },
    epilog="Research and planning aid, not a medical device. Exit codes: 0 done, 1 a bug, 2 wrong usage, 3 bad input, "
    "4 made but failed a check, 5 something needed is missing, 6 would overwrite, 7 out of disk, memory or time, "
    "8 refused for privacy or safety, 9 the case is locked, 130 interrupted.",
)
@click.version_option(__version__, prog_name="surgplan", message="%(prog)s %(version)s")
def surgplan() -> None:
    """From CT and MRI scans to printable models and navigation data, with proof of accuracy.

    \b
    surgplan run DICOM_FOLDER -r ct-bone -o case/
    """


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    words = sys.argv[1:] if arguments is None else arguments
    return ending(lambda: surgplan.main(words, prog_name="surgplan", standalone_mode=False), "--json" in words)


def ending(work: Callable[[], object], as_json: bool) -> int:
    """Do the work and return its exit code: every end has its own, and one message."""
    try:
        work()
    except SurgplanError as error:
        return show_error(error, as_json)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        say_last("\rinterrupted: what was finished before stays; run the same command again to go on")
        return INTERRUPTED
    except Exception as error:
        return _unforeseen(error, as_json)
    return 0


def flushed(code: int) -> int:
    """The exit code, once all that was told is out; a result that could not be told is none: 7 then.

    Python would try again when it ends, fail again, and end with a code of its own: so there must be nothing left.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if error.errno != errno.EPIPE and stream is sys.stdout:
                code = code or OutOfResources.exit_code
    return code


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _unforeseen(error: Exception, as_json: bool) -> int:
    if isinstance(error, MemoryError):
        return show_error(OutOfResources("memory", "ran out", advice="Close other programs or crop the scan"), as_json)
    if isinstance(error, BrokenPipeError):
        # whoever read stdout has gone: say nothing more, also not when Python flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, ImportError) and error.name and not error.name.startswith("surgplan"):
        missing = Missing(error.name, "cannot be imported", advice=f"Install it: pip install {error.name}")
        return show_error(missing, as_json)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM):
        reason = (error.strerror or "no resources left").lower()
        return show_error(OutOfResources(error.filename or "disk", reason, advice="Free some space"), as_json)
    return _bug(error, as_json)


def _bug(error: Exception, as_json: bool) -> int:
    import traceback

    if os.environ.get("SURGPLAN_DEBUG"):
        traceback.print_exc()
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    bug = SurgplanError(
        f"bug in surgplan {__version__}",
        f"{type(error).__name__} at {where}: {error}",
        advice="Please report it; SURGPLAN_DEBUG=1 shows where it comes from",
    )
    return show_error(bug, as_json)
