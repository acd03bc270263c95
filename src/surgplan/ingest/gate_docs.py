"""`docs/gate.md`: the checks of the input gate, made from their table."""

from __future__ import annotations

from surgplan.ingest.limits import CHECKS, NEVER_ACCEPTED, Check

HEAD = """# The input gate

*This page is made from the code by `make docs`; a test fails when it is out of date.*

Before anything is made from a scan, surgplan looks whether the scan can carry it. Each check gives a finding with
what was measured, its limit, where the limit comes from, and what to do: `note` is worth knowing, `warn` wants a
person to look, `refuse` ends the run with exit code 8. All findings are in the manifest and in the report.

The limits are keys of `[ingest]` and `[ingest.limits]` (see [recipes.md](recipes.md)): a recipe tightens those that
its structures need, for example

```toml
[ingest]
aim = "vessel"                    # contrast and kernel are judged by it

[ingest.limits]
feature_mm = 2.0                  # vessels of 2 mm matter: warn when voxels are longer than 1 mm
refuse_step_mm = 2.0
```

| check | looks at | note | warn | refuse | source of the limit |
| --- | --- | --- | --- | --- | --- |
"""

TAIL = """
Noise, metal, contrast, air and field of view are measured in CTs only, on at most 32 slices: some tenths of a second.

## Overriding a refusal

    surgplan run SCAN -r ct-bone -o case/ --accept slice-step --operator "A. Meier"

`--accept CHECK` (or `accept = ["slice-step"]` under `[ingest]`) turns the gate's refusal into a warning that says who
accepted it; the manifest lists check, measured value, limit and operator under the results of `ingest`, and the
report shows it. The operator is `--operator`, `SURGPLAN_OPERATOR`, or the user of the operating system, and stays in
the case's `case.toml`.

Some things nobody can accept:

"""

AGE = """
## The age of a scan

Equal input gives equal bytes, so no result may depend on the day on which it is made. The age is therefore told
against a day that the recipe or case states (`planned_on = 2026-05-04` under `[ingest]`), in whole months; the date
of the scan itself is never stored. Without `planned_on` the age is not told."""


def gate_markdown() -> str:
    """The whole page."""
    rows = [f"| {' | '.join(_cells(each))} |" for each in CHECKS]
    never = [f"- `{name}`: {what}" for name, what in NEVER_ACCEPTED]
    return HEAD + "\n".join(rows) + "\n" + TAIL + "\n".join(never) + "\n" + AGE


def _cells(check: Check) -> tuple[str, ...]:
    refusal = check.refuse if check.acceptable or not check.refuse else f"{check.refuse} (cannot be accepted)"
    return f"`{check.name}`", check.looks_at, check.note, check.warn, refusal, check.source
