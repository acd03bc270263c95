"""`surgplan frames`: which frames there are, and how one leads to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from surgplan.cli.options import existing, overwrite_option, speaking
from surgplan.cli.output import Output, Result, table
from surgplan.errors import WrongUsage


@click.command("frames")
@click.argument("paths", metavar="CASE|FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--from", "moving", metavar="FRAME", help="Lead from this frame, for example tracker or `LPS:moving`.")
@click.option("--to", "fixed", metavar="FRAME", help="Lead to this frame.")
@click.option("--point", type=float, nargs=3, help="Carry this point, mm (voxels in IJK), instead of the matrix.")
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), help="Write the transform that was asked for."
)
@click.option(
    "--tolerance-mm", type=click.FloatRange(0, 100), default=0.5, show_default=True, help="Allowed difference."
)
@overwrite_option
@speaking
def command(
    paths: tuple[Path, ...],
    moving: str | None,
    fixed: str | None,
    point: tuple[float, float, float] | None,
    target: Path | None,
    tolerance_mm: float,
    overwrite: bool,
    output: Output,
) -> None:
    """Print the graph of frames of a case or of files, or the way from one frame to another.

    \b
    surgplan frames case/ reference_from_phantom.tfm
    surgplan frames case/ lps_from_tracker.tfm --from tracker --to RAS --point 10 20 30

    Two ways between the same frames that disagree are an error, and so is a frame that no chain reaches.
    """
    from surgplan.case.frames import frame_graph

    if (moving is None) != (fixed is None) or (moving is None and (point or target)):
        raise WrongUsage("--from, --to", "one is missing", "both", "Name the frame to come from and the one to lead to")
    graph = frame_graph([existing(path) for path in paths], tolerance_mm)
    if moving is None or fixed is None:
        output.result(Result(values=_values(graph), lines=tuple(_lines(graph))))
        return
    output.result(_way(graph, moving, fixed, point, target, overwrite))


def _values(graph: Any) -> dict[str, Any]:
    from surgplan.formats.transform_files import transform_as_dict

    return {
        "frames": [{"name": frame.name, "scope": frame.scope} for frame in graph.frames],
        "islands": [[str(frame) for frame in group] for group in graph.islands],
        "transforms": [{**transform_as_dict(edge.transform), "source": edge.source} for edge in graph.edges],
    }


def _lines(graph: Any) -> list[str]:
    rows = [("to", "from", "kind", "source")]
    for edge in graph.edges:
        kind = "rigid" if edge.transform.is_rigid else "affine"
        rows.append((str(edge.transform.fixed), str(edge.transform.moving), kind, edge.source))
    lines = [line.rstrip() for line in table(rows)]
    for group in graph.islands:
        lines.append("reach one another: " + ", ".join(str(frame) for frame in group))
    return lines


def _way(graph: Any, moving: str, fixed: str, point: Any, target: Path | None, overwrite: bool) -> Result:
    from surgplan.case.point_files import named_frame
    from surgplan.formats.atomic import refuse_overwriting
    from surgplan.formats.transform_files import transform_as_dict, write_transform

    ends = named_frame(fixed), named_frame(moving)
    found = graph.chain(*ends)
    values = {**transform_as_dict(found), "way": [str(edge) for edge in graph.way(*ends)]}
    lines = tuple(" ".join(f"{value:.9g}" for value in row) for row in found.matrix + 0.0)
    written: tuple[Path, ...] = ()
    if point is not None:
        values["point"] = found.apply(point).tolist()
        lines = (" ".join(f"{value:.6f}" for value in found.apply(point) + 0.0),)
    if target is not None:
        refuse_overwriting(target, overwrite)
        written = (write_transform(target, found).path,)
    return Result(written, values=values, lines=() if written else lines)
