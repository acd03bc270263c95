"""A case's plan as OpenIGTLink messages, and the server that sends them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from surgplan.case.bundle import check_navigation
from surgplan.errors import BadInput, Missing, WrongUsage
from surgplan.formats.igtl import (
    LONGEST_NAME,
    Message,
    image_message,
    pack,
    points_message,
    status_message,
    surface_message,
    text_message,
    trajectories_message,
    transform_message,
)
from surgplan.model.frames import LPS, PRINT, RAS_FROM_LPS

PATIENCE_S = 60.0
"""A client that takes no bytes for so long is given up."""


def plan_messages(case: Path, image: bool = True) -> tuple[Message, ...]:
    """Everything that a case has to send, in RAS mm: 3D Slicer takes OpenIGTLink's positions so.

    Raises
    ------
    Missing
        The folder holds no navigation plan.
    BadInput
        The bundle does not agree with itself, or a name does not fit into a message.
    """
    if not (case / "navigation" / "plan.json").is_file():
        raise Missing(case, "holds no navigation/plan.json", advice="Make the case first: surgplan run")
    plan = check_navigation(case / "navigation")
    uid = plan.frame_of_reference or "none"
    made = [text_message("Plan", f"frame: RAS; unit: mm; Frame of Reference UID: {uid}")]
    for name, points in (("Landmarks", plan.landmarks), ("Fiducials", plan.fiducials)):
        if len(points):
            made.append(points_message(name, RAS_FROM_LPS @ points, name))
    if plan.trajectories:
        made.append(trajectories_message("Trajectories", [RAS_FROM_LPS @ each for each in plan.trajectories]))
    for each in plan.transforms:
        if (each.fixed, each.moving) == (PRINT, LPS):
            made.append(transform_message("PrintToRas", RAS_FROM_LPS @ each.inverse()))
    made += _surfaces(case)
    if image:
        from surgplan.formats.images import read_volume

        made.append(image_message("Volume", read_volume(case / "volume.nrrd"), RAS_FROM_LPS))
    made.append(status_message("surgplan", f"{len(made)} messages sent"))
    return tuple(made)


def _surfaces(case: Path) -> list[Message]:
    from surgplan.formats.meshes import read_mesh

    made = [surface_message(path.stem[:LONGEST_NAME], RAS_FROM_LPS @ read_mesh(path)[0]) for path in _meshes(case)]
    names = [each.name for each in made]
    if len(set(names)) != len(names):
        raise BadInput(
            case, f"two structures share the first {LONGEST_NAME} letters of their name", advice="Rename one"
        )
    return made


def _meshes(case: Path) -> list[Path]:
    return sorted((case / "surfaces").glob("*.ply"))


def serve(
    messages: Sequence[Message], host: str, port: int, clients: int, listening: Callable[[str, int], None]
) -> int:
    """Send all messages to each client that connects, one after the other; returns the bytes sent.

    Parameters
    ----------
    messages:
        What to send.
    host, port:
        Where to listen; port 0 takes a free one.
    clients:
        How many clients to serve; 0 never ends.
    listening:
        Called with host and port once clients can connect.

    Raises
    ------
    WrongUsage
        The address cannot be listened on.
    """
    data = [pack(message) for message in messages]
    sent = served = 0
    try:
        server = socket.create_server((host, port))
    except OSError as error:
        advice = "Choose another --port or --host"
        raise WrongUsage(f"{host}:{port}", f"cannot be listened on: {error.strerror or error}", advice=advice) from None
    with server:
        listening(*server.getsockname()[:2])
        while clients == 0 or served < clients:
            client, _ = server.accept()
            with client:
                sent += _serve_one(client, data)
            served += 1
    return sent


def _serve_one(client: socket.socket, data: Sequence[bytes]) -> int:
    """Send everything, then wait until the client has taken it and goes; one that goes early ends only itself."""
    sent = 0
    try:
        client.settimeout(PATIENCE_S)
        for each in data:
            client.sendall(each)
            sent += len(each)
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass
    except OSError:
        return sent
    return sent
