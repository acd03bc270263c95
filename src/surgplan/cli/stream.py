"""`surgplan stream`: a case's plan over OpenIGTLink."""

from __future__ import annotations

from pathlib import Path

import click

from surgplan.cli.options import existing, speaking
from surgplan.cli.output import Output, Result


@click.command("stream")
@click.argument("case", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; other machines see others.")
@click.option("--port", type=click.IntRange(0, 65535), default=18944, show_default=True, help="Port; 0: a free one.")
@click.option("--clients", type=click.IntRange(0), default=0, help="End after so many clients [default: never].")
@click.option("--image/--no-image", default=True, help="Send the scan, too, or not.")
@speaking
def command(case: Path, host: str, port: int, clients: int, image: bool, output: Output) -> None:
    """Serve a case's plan over OpenIGTLink, to 3D Slicer or PLUS: points, trajectories, surfaces and scan, in RAS mm.

    \b
    surgplan stream case/
    """
    existing(case)
    from surgplan.case.streaming import plan_messages, serve

    messages = plan_messages(case, image)
    sent = serve(messages, host, port, clients, lambda *at: output.say(f"listening on {at[0]}:{at[1]}, Ctrl-C ends"))
    told = [f"{message.kind} {message.name}" for message in messages]
    output.result(Result((), (), {"messages": told, "bytes_sent": sent}))
