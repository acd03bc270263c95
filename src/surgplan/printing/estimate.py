"""What a plate takes: material, time and money, with every assumption told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from surgplan.model.plate import Plate
from surgplan.printing.orient import support_room_mm3
from surgplan.printing.printers import Printer


@dataclass(frozen=True)
class Estimate:
    """Of one plate: volumes in mm³ on the print, mass in g, time in s; `cost` is None where the profile has no price.

    `solid_mm3` is the room that the parts take, `material_mm3` what is laid down for them, `support_mm3` for supports.
    """

    layers: int
    solid_mm3: float
    material_mm3: float
    support_mm3: float
    mass_g: float
    time_s: float
    cost: float | None
    currency: str
    assumptions: tuple[str, ...]


def estimate(plate: Plate, printer: Printer) -> Estimate:
    """Material of shell and infill, supports below overhangs, time by layers and by material, cost by the profile."""
    low, high = plate.bounds
    layers = int(np.ceil(round((high[2] - min(low[2], 0.0)) / printer.layer_mm, 6)))
    solid = material = 0.0
    for assembly in plate.assemblies:
        for each in assembly.objects:
            volume, area = abs(each.volume_mm3) * plate.scale**3, each.area_mm2 * plate.scale**2
            solid += len(assembly.places) * volume
            material += len(assembly.places) * laid_down_mm3(volume, area, printer)
    support = _support_mm3(plate, printer)
    mass = (material + support) * printer.density_g_cm3 / 1000
    seconds = layers * printer.seconds_per_layer
    if printer.deposit_mm3_s:
        seconds += (material + support) / printer.deposit_mm3_s
    cost = _cost(mass, seconds, printer)
    told = tuple(_assumptions(printer))
    return Estimate(layers, solid, material, support, mass, seconds, cost, printer.currency, told)


def laid_down_mm3(volume_mm3: float, area_mm2: float, printer: Printer) -> float:
    """Material of a body: all of it, or a shell along its surface and a share of what lies within the shell."""
    shell = volume_mm3 if printer.shell_mm is None else min(volume_mm3, area_mm2 * printer.shell_mm)
    return shell + printer.infill_share * (volume_mm3 - shell)


def _support_mm3(plate: Plate, printer: Printer) -> float:
    if not printer.support_share or printer.overhang_deg is None:
        return 0.0
    rooms = [support_room_mm3(each.objects, each.places, printer) for each in plate.assemblies]
    return printer.support_share * sum(rooms)


def _cost(mass_g: float, seconds: float, printer: Printer) -> float | None:
    if printer.cost_per_kg is None:
        return None
    return mass_g / 1000 * printer.cost_per_kg + seconds / 3600 * (printer.cost_per_hour or 0.0)


def _assumptions(printer: Printer) -> Iterator[str]:
    """In words, with the source of each number."""
    shell, infill = printer.shell_mm, printer.infill_share
    if shell is None:
        yield "parts are solid"
    else:
        yield f"a shell of {shell:g} mm, {infill:.0%} of material within ({printer.source_of('infill_share')})"
    if printer.support_share and printer.overhang_deg is not None:
        where = printer.source_of("support_share")
        yield f"supports fill {printer.support_share:.1%} of the room below overhangs ({where})"
    else:
        yield "no supports"
    yield f"{printer.density_g_cm3:g} g/cm³ ({printer.source_of('density_g_cm3')})"
    rate = f" and {printer.deposit_mm3_s:g} mm³/s" if printer.deposit_mm3_s else ""
    time = f"{printer.seconds_per_layer:g} s for each layer{rate} ({printer.source_of('seconds_per_layer')})"
    yield f"{time}; heating, cooling and cleaning are not counted"
    if printer.cost_per_kg is None:
        yield "no cost: the profile has no price"
    else:
        hour = f" and {printer.cost_per_hour:g} for each hour" if printer.cost_per_hour else ""
        price = f"{printer.cost_per_kg:g} {printer.currency} for each kilogram{hour}"
        yield f"{price} ({printer.source_of('cost_per_kg')}); no labour"
