"""The page of a case that failed half way: where, why, what to do, and what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from surgplan.findings import Finding
from surgplan.report.approvals import EMPTY
from surgplan.report.page import environment, sorted_findings

FAILED_MARK = "– failed</title>"
"""Only in the head of such a page."""
TEMPLATE = "failed.html.j2"


@dataclass(frozen=True)
class FailedCase:
    """What is known of a failed run. Nothing in it tells where the scan lies.

    `done` maps a stage that was done to its files, `left` tells what was not reached, `stale` the files that an earlier
    run left and that may not fit any more, `findings` what the done stages found.
    """

    case: str
    recipe: str
    stage: str
    subject: str
    found: str
    expected: str
    advice: str
    exit_code: int
    done: Mapping[str, Sequence[str]]
    left: Sequence[str]
    stale: Sequence[str]
    findings: Sequence[tuple[str, Finding]]
    version: str


def failed_page(failed: FailedCase) -> str:
    """The page: all text is escaped, no script, no network."""
    text: str = (
        environment()
        .get_template(TEMPLATE)
        .render(failed=failed, findings=sorted_findings(failed.findings), approvals=EMPTY)
    )
    return text
