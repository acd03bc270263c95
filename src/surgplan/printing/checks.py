"""Can the printer make it? Each finding has its measure, its limit with the source, and its place in body and print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from surgplan.findings import Finding, Level
from surgplan.model.frames import Array, Transform
from surgplan.model.plate import Assembly, Plate
from surgplan.model.surface import Surface
from surgplan.printing import layers as raster
from surgplan.printing.apart import gaps, near
from surgplan.printing.features import thin_features
from surgplan.printing.printers import Printer, Technology
from surgplan.printing.shadow import solid_of
from surgplan.printing.thickness import THIN_SHARE, Walls, walls_in_a_case
from surgplan.printing.wall_check import thinnest
from surgplan.surface.topology import bodies, faces_outward, is_closed

SUPPORTED = "Leave supports on in the slicer program, or turn the part: --orientation support"


@dataclass(frozen=True)
class Spot:
    """A finding with its measure and limit as numbers (mm, mm² or mm³ on the print), and its place, (3,) mm.

    `lps` and `print` are None for what has no single place. `plate` is the number of the plate, from 1.
    """

    finding: Finding
    value: float
    limit: float | None
    lps: tuple[float, float, float] | None = None
    print: tuple[float, float, float] | None = None
    plate: int = 1


def check_plates(plates: Sequence[Plate], printer: Printer) -> tuple[tuple[Spot, ...], dict[str, Walls]]:
    """All that is found on the plates, and the measured walls of each closed object, by name, mm in the body."""
    spots: list[Spot] = []
    measured: dict[str, Walls] = {}
    for number, plate in enumerate(plates, 1):
        found: list[Spot] = []
        for assembly in plate.assemblies:
            solid = [each for each in assembly.objects if _is_solid(each)]
            if not all(each.label.name in measured for each in solid):  # copies on a further plate are the same
                measured |= {each.label.name: walls_in_a_case(each) for each in solid}
                found += _of_assembly(assembly, solid, measured, printer)
        found += _too_near(plate, printer)
        spots += [replace(each, plate=number) for each in found]
    return tuple(spots), measured


def _is_solid(surface: Surface) -> bool:
    closed = is_closed(surface.triangles, len(surface.vertices))
    return closed and faces_outward(surface.vertices, surface.triangles)


def _of_assembly(
    assembly: Assembly, solid: Sequence[Surface], measured: dict[str, Walls], printer: Printer
) -> Iterator[Spot]:
    place, scale = assembly.places[0], assembly.scale
    for each in solid:
        for finding, value, where in thinnest(each.label.name, measured[each.label.name], printer, scale):
            yield _placed(finding, value, printer.smallest_wall_mm, where, place)
        yield from _features(each, measured[each.label.name], printer, scale, place)
        yield from _loose(each, printer, scale, place)
        yield from _cavities(each, printer, scale, place)
    for each in assembly.objects:
        yield from _fine(each, printer, scale)
    if solid:
        yield from _layers(assembly, solid, printer)
    yield from _fusing(assembly, printer, scale)


def _placed(finding: Finding, value: float, limit: float | None, lps: Array, place: Transform) -> Spot:
    """A spot at a place of the body; finding's words are completed by the place."""
    there = place.apply(lps)
    words = f"{finding.measured}, at LPS ({_told(lps)}) mm, on the plate ({_told(there)}) mm"
    return Spot(replace(finding, measured=words), round(value, 4), limit, _three(lps), _three(there))


def _told(point: Array) -> str:
    return ", ".join(f"{value + 0.0:.1f}" for value in point)


def _three(point: Array) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 3) + 0.0 for value in point)
    return x, y, z


def _features(surface: Surface, solid: Walls, printer: Printer, scale: float, place: Transform) -> Iterator[Spot]:
    limit = printer.smallest_feature_mm
    found = thin_features(surface, solid, limit / scale)
    if not len(found.widths):
        return
    at = int(found.widths.argmin())
    value, share = scale * float(found.widths[at]), found.area_mm2 / surface.area_mm2
    measured = (
        f"{share:.1%} of the surface bounds pins or spikes that are thinner both ways, the thinnest {value:.2f} mm"
    )
    level = Level.WARN if share > THIN_SHARE else Level.NOTE
    advice = "They may break off or be missing: thicken them, or print it larger"
    finding = Finding("feature", level, measured, f"{limit:g} mm", advice, printer.source_of("smallest_feature_mm"))
    yield _placed(replace(finding, subject=surface.label.name), value, limit, found.places[at], place)


def _loose(surface: Surface, printer: Printer, scale: float, place: Transform) -> Iterator[Spot]:
    """Bodies of one object that are smaller than anything that the printer makes."""
    limit = printer.smallest_feature_mm
    owner = bodies(surface.vertices, surface.triangles)
    count = int(owner.max()) + 1
    if count == 1:
        return
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    np.minimum.at(low, owner, surface.corners.min(axis=1))
    np.maximum.at(high, owner, surface.corners.max(axis=1))
    sizes = scale * (high - low).min(axis=1)
    small = np.flatnonzero(sizes < limit)
    if not len(small):
        return
    worst = int(small[sizes[small].argmin()])
    measured = f"{len(small)} of {count} bodies are smaller, the smallest {sizes[worst]:.2f} mm across"
    advice = "Drop them (min_volume_mm3 of the recipe), or join them to the rest"
    finding = Finding(
        "small-body", Level.WARN, measured, f"{limit:g} mm", advice, printer.source_of("smallest_feature_mm")
    )
    middle = (low[worst] + high[worst]) / 2
    yield _placed(replace(finding, subject=surface.label.name), float(sizes[worst]), limit, middle, place)


def _shells(surface: Surface) -> tuple[NDArray[np.int32], Array]:
    """(m,) the shell of each triangle, and (n,) the volume within each shell, mm³: negative for those of cavities."""
    owner = bodies(surface.vertices, surface.triangles)
    a, b, c = (surface.corners - surface.vertices.mean(axis=0)).transpose(1, 0, 2)
    return owner, np.bincount(owner, np.einsum("ij,ij->i", a, np.cross(b, c)) / 6.0).astype(np.float64)


def _cavities(surface: Surface, printer: Printer, scale: float, place: Transform) -> Iterator[Spot]:
    """Cavities that are closed on all sides: shells of the object that face inward."""
    owner, signed = _shells(surface)
    closed = np.flatnonzero(signed < 0)
    if not len(closed):
        return
    volume, largest = -float(signed[closed].sum()) * scale**3, int(closed[signed[closed].argmin()])
    stuff = _fills(printer)
    measured = f"{len(closed)} closed cavities of {volume:.0f} mm³, from which {stuff} cannot get out"
    advice = "Fill them (fill_cavities of the recipe), or give them drain holes (operation `hollow`)"
    harmless = printer.technology is Technology.FILAMENT
    finding = Finding(
        "trapped", Level.NOTE if harmless else Level.WARN, measured, "none", advice, _drain_source(printer)
    )
    corners = surface.corners[owner == largest].reshape(-1, 3)
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    yield _placed(replace(finding, subject=surface.label.name), volume, 0.0, middle, place)


def _fills(printer: Printer) -> str:
    known = {Technology.RESIN: "resin", Technology.POWDER: "powder"}
    return known.get(printer.technology, "support")


def _drain_source(printer: Printer) -> str:
    return printer.source_of("drain_hole_mm") if printer.drain_hole_mm else ""


def _fine(surface: Surface, printer: Printer, scale: float) -> Iterator[Spot]:
    """Whether half of the edges are shorter than what the printer resolves."""
    corners = surface.corners
    edges = scale * np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).ravel()
    median, limit = float(np.median(edges)), printer.xy_resolution_mm
    if median >= limit:
        return
    measured = f"half of the edges of {len(corners):,} triangles are shorter than {median:.4f} mm"
    advice = "Fewer triangles print the same and slice faster: raise surface.tolerance_mm or set surface.max_triangles"
    source = printer.source_of("xy_resolution_mm")
    finding = Finding("fine", Level.NOTE, measured, f"{limit:g} mm", advice, source, surface.label.name)
    yield Spot(finding, median, limit)


def _layers(assembly: Assembly, solid: Sequence[Surface], printer: Printer) -> Iterator[Spot]:
    """Islands, spans and overhangs of what needs support; cavities whose mouth is too narrow."""
    place = assembly.places[0]
    lps_from_print = place.inverse()
    stack = raster.layers_of([place @ each for each in solid])
    if printer.overhang_deg is not None:
        island = raster.islands(stack)
        if island is not None:
            measured = f"{island.count} pieces of layers begin in the air, the largest of {island.value:.0f} mm²"
            finding = Finding("island", Level.NOTE, measured, "0 mm²", SUPPORTED, printer.source_of("overhang_deg"))
            yield _placed(
                replace(finding, subject=assembly.name), island.value, 0.0, lps_from_print.apply(island.place), place
            )
        yield from _overhangs(assembly, solid, printer)
    if printer.overhang_deg is not None and printer.bridge_mm is not None:
        span = raster.longest_span(stack, printer.overhang_deg, printer.bridge_mm)
        if span is not None:
            measured = f"a layer spans {span.value:.0f} mm (± {2 * stack.cell_mm:.1f} mm) with nothing below"
            source, limit = printer.source_of("bridge_mm"), printer.bridge_mm
            finding = Finding("span", Level.NOTE, measured, f"{limit:g} mm", SUPPORTED, source, assembly.name)
            yield _placed(finding, span.value, limit, lps_from_print.apply(span.place), place)
    if printer.drain_hole_mm is not None:
        held = raster.trapped(stack, printer.drain_hole_mm)
        if held is not None and all((_shells(each)[1] > 0).all() for each in solid):
            measured = (
                f"{held.count} cavities hold {held.value:.0f} mm³ of {_fills(printer)}: their mouths are too narrow"
            )
            limit, source = printer.drain_hole_mm, printer.source_of("drain_hole_mm")
            advice = "Widen the mouth, or give them drain holes (operation `hollow`)"
            finding = Finding("trapped", Level.WARN, measured, f"{limit:g} mm wide", advice, source, assembly.name)
            yield _placed(finding, held.value, 0.0, lps_from_print.apply(held.place), place)


def _overhangs(assembly: Assembly, solid: Sequence[Surface], printer: Printer) -> Iterator[Spot]:
    """Faces that lean farther than the printer holds, but for those that lie on the plate."""
    lean, place = printer.overhang_deg, assembly.places[0]
    assert lean is not None
    total, worst, where = 0.0, 0.0, None
    for each in solid:
        corners = (place @ each).corners
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        area = np.linalg.norm(normals, axis=1) / 2
        down = -normals[:, 2] / np.maximum(2 * area, 1e-30)
        hanging = (down > np.sin(np.radians(lean)) + 1e-6) & (corners[:, :, 2].max(axis=1) > printer.layer_mm)
        total += float(area[hanging].sum())
        steepest = np.where(hanging, down * area, 0.0)
        if steepest.max() > worst:
            worst, where = float(steepest.max()), each.corners[int(steepest.argmax())].mean(axis=0)
    if where is None:
        return
    measured = f"{total / 100:.1f} cm² lean more than {lean:g}° from the vertical; the largest such face lies"
    finding = Finding("overhang", Level.NOTE, measured, f"{lean:g}°", SUPPORTED, printer.source_of("overhang_deg"))
    spot = _placed(replace(finding, subject=assembly.name), total, 0.0, where, place)
    yield replace(spot, finding=replace(spot.finding, measured=spot.finding.measured.replace("lies, at", "lies at")))


def _fusing(assembly: Assembly, printer: Printer, scale: float) -> Iterator[Spot]:
    """Objects of one assembly with a gap between them that the printer closes."""
    limit = printer.clearance_mm
    named = [(each.label.name, solid_of(each)) for each in assembly.objects]
    for each in near(named, limit / scale):
        if each.gap_mm > 0:
            measured = f"{each.one} and {each.other} are {scale * each.gap_mm:.2f} mm apart: they fuse"
            advice = "Nothing to do where they shall hold together; else widen the gap, or print them apart"
            source = printer.source_of("clearance_mm")
            finding = Finding("clearance", Level.NOTE, measured, f"{limit:g} mm", advice, source, assembly.name)
            yield Spot(finding, scale * each.gap_mm, limit)


def _too_near(plate: Plate, printer: Printer) -> Iterator[Spot]:
    limit = printer.clearance_mm
    if plate.is_together:
        return
    for each in gaps(plate, limit):
        measured = f"{each.one} and {each.other} are {each.gap_mm:.2f} mm apart on the plate"
        source = printer.source_of("clearance_mm")
        finding = Finding("clearance", Level.REFUSE, measured, f"{limit:g} mm", "Raise spacing_mm", source, plate.name)
        yield Spot(finding, each.gap_mm, limit)
