"""`surgplan share`: one archive of a case for a colleague who has no surgplan."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from surgplan.cli.options import existing, output_option, overwrite_option, speaking
from surgplan.cli.output import Output, Result
from surgplan.errors import Missing, WrongUsage

if TYPE_CHECKING:
    from surgplan.case.share_zip import Encryption

PASSWORD = "SURGPLAN_SHARE_PASSWORD"
LONGEST_PASSWORD = 4096


@click.command("share")
@click.argument("case", type=click.Path(path_type=Path))
@output_option("The archive, .zip, or .zip.age with --encrypt age.")
@click.option(
    "--include",
    default="report,models,navigation,approval",
    show_default=True,
    help="What goes in: report, models, navigation, surfaces, scan, record (manifest and case file), approval.",
)
@click.option("--with-face", is_flag=True, help="Do not leave out what may show a face.")
@click.option("--against", type=click.Path(path_type=Path), help="The scan [default: where it was when the case ran].")
@click.option("--unchecked", default="", metavar="REASON", help="Share without the scan's headers; is recorded.")
@click.option(
    "--encrypt", type=click.Choice(["zip", "age"]), help="ZIP with AES-256 and a password, or the program age."
)
@click.option("--password-file", type=click.Path(path_type=Path), help="Its first line is the password.")
@click.option("--to", "recipients", multiple=True, metavar="RECIPIENT", help="With age: age1…, an SSH key, or a file.")
@overwrite_option
@speaking
def command(
    case: Path,
    target: Path,
    include: str,
    with_face: bool,
    against: Path | None,
    unchecked: str,
    encrypt: str | None,
    password_file: Path | None,
    recipients: tuple[str, ...],
    overwrite: bool,
    output: Output,
) -> None:
    """Pack a case for a colleague who has no surgplan, once nothing private was found in it.

    Every identifying value of the scan's headers is looked for in every byte that would go out: exit 8 and no archive
    if one is there. Of a head, the skin and the scan away from the structures are left out without --with-face.

    The password comes from --password-file, from SURGPLAN_SHARE_PASSWORD, or is asked for on a terminal.

    \b
    surgplan share case/ -o case.zip
    surgplan share case/ -o case.zip --include report,models --encrypt zip --password-file secret.txt
    surgplan share case/ -o case.zip.age --encrypt age --to age1…
    """
    existing(case)
    from surgplan.case.share import GROUPS, Wish, share_case
    from surgplan.formats.atomic import refuse_overwriting

    groups = tuple(dict.fromkeys(word.strip() for word in include.split(",") if word.strip()))
    for group in groups:
        if group not in GROUPS:
            from surgplan.params import nearest

            raise WrongUsage("--include", f"there is no `{group}`", advice=nearest(group, list(GROUPS)))
    if not groups:
        raise WrongUsage("--include", "names nothing", advice=f"Known here: {', '.join(GROUPS)}")
    refuse_overwriting(target, overwrite)
    encryption = _encryption(encrypt, password_file, recipients)
    wish = Wish(groups, with_face, existing(against) if against else None, unchecked)
    shared = share_case(case, target, wish, encryption)
    values = {
        "members": list(shared.names),
        "encryption": encryption.kind,
        "searched": {"files": shared.searched.files, "values": shared.searched.values} if shared.searched else None,
        "sha256": shared.written.sha256 if shared.written else None,
    }
    written = (shared.written.path,) if shared.written else ()
    output.result(Result(written, shared.findings, values), private=True)


def _encryption(encrypt: str | None, password_file: Path | None, recipients: tuple[str, ...]) -> Encryption:
    from surgplan.case.share_zip import Encryption

    if recipients and encrypt != "age":
        raise WrongUsage("--to", "given without --encrypt age", advice="Pass --encrypt age")
    if password_file and encrypt != "zip":
        raise WrongUsage("--password-file", "given without --encrypt zip", advice="Pass --encrypt zip")
    if encrypt == "age" and not recipients:
        raise WrongUsage("--to", "is missing", "a recipient", "Pass --to age1…: your colleague makes one by age-keygen")
    return Encryption(_password(password_file) if encrypt == "zip" else "", recipients)


def _password(path: Path | None) -> str:
    """From the file, the environment, or whoever sits at the terminal: never from the command line."""
    from surgplan.formats.limits import read_whole

    if path is not None:
        lines = read_whole(existing(path), LONGEST_PASSWORD).decode("utf-8", "replace").splitlines()
        given = lines[0] if lines else ""
    elif not (given := os.environ.get(PASSWORD, "")) and sys.stdin.isatty():
        given = str(click.prompt("Password of the archive", hide_input=True, confirmation_prompt=True, err=True))
    if not given:
        raise Missing("password", "is not given", advice=f"Pass --password-file FILE, or set {PASSWORD}")
    return given
