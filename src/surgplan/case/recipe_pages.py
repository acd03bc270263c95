"""`docs/recipe-list.md`: what each shipped recipe is for, needs and fails at, from the comments at its head."""

from __future__ import annotations

import re
from pathlib import Path

from surgplan.case.recipe import recipe_paths

HEAD = """# The shipped recipes

*This page is made from the recipes' own comments by `make docs`.* `surgplan recipes show NAME` prints one; a recipe of
your own that says `extends = "NAME"` starts from it. The methods are explained in [segmentation.md](segmentation.md).
"""

PARTS = ("For", "Needs", "Fails")


def recipe_list_markdown() -> str:
    """The whole page: a section for each recipe of the package, those of the examples last."""
    package = Path(__file__).resolve().parents[1]
    shipped = {package / "pipelines", package.parents[1] / "pipelines"}
    paths = [path for path in recipe_paths().values() if path.parent in shipped]
    paths.sort(key=lambda path: (path.stem.startswith("example"), path.stem))
    return "\n".join([HEAD, *(_section(path) for path in paths)])


def _section(path: Path) -> str:
    head = []
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            break
        head.append(line.lstrip("#").strip())
    text = " ".join(head)
    title, *rest = re.split(rf"\b({'|'.join(PARTS)}):", text)
    parts = dict(zip(rest[::2], rest[1::2], strict=True))
    lines = [f"- **{name}:** {' '.join(parts[name].split())}" for name in PARTS if name in parts]
    what = title.partition(":")[2].strip()
    return f"## `{path.stem}`\n\n{what[:1].upper()}{what[1:]}\n\n" + "\n".join(lines) + "\n"
