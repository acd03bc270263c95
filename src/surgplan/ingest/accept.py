"""Overriding a refusal of the input gate: by name, by somebody, on the record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from surgplan.errors import Refused, WrongUsage
from surgplan.findings import Finding, Level
from surgplan.ingest.limits import BY_NAME, NEVER_ACCEPTED
from surgplan.params import nearest


def check_acceptable(names: Sequence[str]) -> None:
    """Refuse to accept what does not exist, or what nobody may accept.

    Raises
    ------
    WrongUsage
        No check has such a name, or its refusal cannot be accepted.
    """
    never = dict(NEVER_ACCEPTED)
    for name in names:
        if name in never or (name in BY_NAME and not BY_NAME[name].acceptable):
            found = f"`{name}` cannot be accepted: {never.get(name, BY_NAME.get(name))}"
            raise WrongUsage("--accept", found, advice="Correct the scan: no one may override this")
        if name not in BY_NAME:
            raise WrongUsage("--accept", f"there is no check `{name}`", advice=nearest(name, [*BY_NAME]))


def admitted(
    findings: Iterable[Finding], accept: Sequence[str], operator: str, source: object
) -> tuple[tuple[Finding, ...], tuple[dict[str, str], ...]]:
    """The findings with what was accepted turned into warnings that say by whom; and a record of each acceptance.

    Raises
    ------
    Refused
        The gate refuses the scan, and not all of its refusals were accepted.
    WrongUsage
        `accept` names what cannot be accepted.
    """
    check_acceptable(accept)
    kept: list[Finding] = []
    record: list[dict[str, str]] = []
    refused: list[Finding] = []
    for each in findings:
        if each.level is not Level.REFUSE:
            kept.append(each)
        elif each.check in accept:
            told = f"{each.measured}; refused by the gate, accepted by {operator}"
            kept.append(replace(each, level=Level.WARN, measured=told))
            record.append({"check": each.check, "measured": each.measured, "limit": each.limit, "by": operator})
        else:
            refused.append(each)
    if refused:
        raise _refusal(refused, source)
    unused = sorted(set(accept) - {each["check"] for each in record})
    kept += [
        Finding("accept", Level.NOTE, f"`{name}` needed no acceptance: the gate did not refuse") for name in unused
    ]
    return tuple(kept), tuple(record)


def _refusal(refused: Sequence[Finding], source: object) -> Refused:
    told = "; ".join(f"{each.check}: {each.measured}" for each in refused)
    expected = "; ".join(each.limit for each in refused if each.limit)
    open_to = [each.check for each in refused if each.check in BY_NAME and BY_NAME[each.check].acceptable]
    advice = refused[0].advice
    if len(open_to) == len(refused):
        options = " ".join(f"--accept {name}" for name in open_to)
        advice += f"; or pass {options} to go on all the same (recorded with your name)"
    return Refused(source, told, expected, advice)
