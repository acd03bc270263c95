"""Who approved the case, in the place that the page keeps for it.

The page is approved without the names of those who approve it, so they stand between two marks: the page with that
place emptied is, byte by byte, the page that was approved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

START, END = "<!--approvals-->", "<!--/approvals-->"
NOBODY = "<p>Nobody had approved this case when this page was written.</p>"
EMPTY = f"{START}{NOBODY}{END}"
"""What the page is made with. Text of a case cannot hold the marks: its `<` is escaped."""
TEMPLATE = "approvals.html.j2"


@dataclass(frozen=True)
class ApprovalRow:
    """One approval as the page shows it. `void` says why it does not hold, or "" while it holds."""

    number: int
    by: str
    role: str
    time: str
    verdict: str
    override: str
    signed: str
    void: str
    statement: str


def with_approvals(html: str, rows: Sequence[ApprovalRow]) -> str:
    """The page with these approvals in their place, and no others.

    Raises
    ------
    ValueError
        The page has no such place: an older version made it.
    """
    from surgplan.report.page import environment

    before, after = _around(html)
    if not rows:
        return before + EMPTY + after
    told: str = environment().get_template(TEMPLATE).render(rows=rows)
    return before + START + told + END + after


def without_approvals(html: str) -> str:
    """The page as it was when nobody had approved it; see `with_approvals`."""
    return with_approvals(html, ())


def _around(html: str) -> tuple[str, str]:
    before, start, rest = html.partition(START)  # what stands before it is the template's, or escaped
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError("the page has no place for approvals")
    return before, after
