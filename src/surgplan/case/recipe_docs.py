"""`docs/recipes.md`: every parameter of every stage, made from the `Params` models."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from surgplan.case.casefile import CaseFile, LandmarkEntry, TrajectoryEntry
from surgplan.case.recipe import Recipe
from surgplan.params import Params
from surgplan.printing.operations import Operation as Preparing
from surgplan.segment.operations import Operation
from surgplan.segment.structure import METHOD_TABLES, StructureParams

HEAD = """# Recipes and case files

*This page is made from the code by `make docs`; a test fails when it is out of date.*

A recipe tells what to do with a scan; a case file names a scan and a recipe, and what only this patient has. Both are
TOML. A case file may hold any table of a recipe, which then overrides the recipe's values; a `[[structure]]` with the
name of one of the recipe's structures changes it, another name adds a structure. A recipe that says
`extends = "ct-bone"` starts from that recipe.

Precedence, first wins: option of the command line (`--set surface.tolerance_mm=0.1`), variable
(`SURGPLAN_SURFACE_TOLERANCE_MM=0.1`), case file, recipe, default.

`surgplan recipes` lists the recipes, `surgplan recipes NAME` shows one, `surgplan recipes --schema` prints the JSON
Schema for editors. A lab's own recipes are found in the folders that `SURGPLAN_RECIPES` names and in
`~/.config/surgplan/recipes`.
"""


def recipes_markdown() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, info in Recipe.model_fields.items():
        if name == "structure":
            parts += _structures()
        elif isinstance(info.annotation, type) and issubclass(info.annotation, Params):
            inner = _tables(info.annotation)
            skip = (*inner, "prepare") if name == "print" else (*inner,)
            parts.append(_section(f"[{name}]", info.annotation, (info.annotation.__doc__ or "").strip(), skip))
            parts += [_section(f"[{name}.{key}]", model, str(model.__doc__).strip()) for key, model in inner.items()]
            if name == "print":
                parts += [f"## `[[print.prepare]]`\n\n{PREPARE}", _operations(Preparing, "do")]
    parts.append("# Case files\n")
    parts.append(_section("case.toml", CaseFile, "Keys at the top of a case file.", skip=("landmark", "trajectory")))
    parts.append(_section("[[landmark]]", LandmarkEntry, "A point that only this patient has."))
    parts.append(_section("[[trajectory]]", TrajectoryEntry, "A planned straight path."))
    return "\n".join(parts)


def _tables(model: type[Params]) -> dict[str, type[Params]]:
    """The keys of a stage's table that are tables themselves, and their models."""
    kinds = {key: info.annotation for key, info in model.model_fields.items()}
    return {key: kind for key, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Params)}


STRUCTURE = """One table for each structure to segment. Its `method` finds it; then its own keys refine it, in this
order: `thinnest_mm`, `keep_largest` with `min_volume_mm3` and `dense_hu`, `boundary`, `close_mm`, `fill_holes`; then
the list `refine`, in its own order."""

REFINE = """Each entry of a structure's `refine` list is a small table whose `op` says what is done:

```toml
refine = [
    { op = "keep_largest", n = 2 },
    { op = "close", gap_mm = 1.0 },
    { op = "subtract", structure = "vessels", margin_mm = 0.5 },
]
```

A `structure` that an operation names must stand before; a `helper` is found for that alone. A `landmark` is one of the
case file's. Lengths are true in every direction, whatever the shape of the voxels.
"""


PREPARE = """What is done to the parts before they are turned and placed, in the order of the tables; the page
[printing.md](printing.md) shows how they work and what was measured.

```toml
[[print.prepare]]
do = "cut"
landmark = "nasion"
normal = [0.0, 0.0, 1.0]

[[print.prepare]]
do = "text"
text = "{case} {side}"
```

Lengths that concern the printer (walls, pins, gaps, letters) are those of the print; positions and landmarks are those
of the body, in mm LPS.
"""


def _structures() -> list[str]:
    """`[[structure]]`, the tables of its methods, and its operations."""
    skip = (*METHOD_TABLES, "refine")
    parts = [_section("[[structure]]", StructureParams, STRUCTURE, skip)]
    for name, model in METHOD_TABLES.items():
        title = f'method = "{name.replace("_", "-")}"'
        parts.append(_section(title, model, f"{model.__doc__}\n\nIts parameters, in the structure's table `{name}`:"))
    return [*parts, f"## `refine`\n\n{REFINE}", _operations(Operation, "op")]


def _operations(kinds: Any, key: str) -> str:
    """The table of the operations that a list may hold; `key` is the one that names them."""
    rows = [f"| {key} | what it does | key | type | default | range | meaning |", "| --- " * 7 + "|"]
    for kind in get_args(get_args(kinds)[0]):
        fields = [(name, info) for name, info in kind.model_fields.items() if name != key]
        (called,) = get_args(kind.model_fields[key].annotation)
        head = f"| `{called}` | {kind.__doc__} "
        for row in [_row(*field) for field in fields] or ["| | | | | |"]:
            rows.append(head + row)
            head = "| | "
    return "\n".join(rows) + "\n"


def _row(name: str, info: FieldInfo) -> str:
    return f"| `{name}` | {_type(info.annotation)} | {_default(info)} | {_range(info)} | {info.description} |"


def _section(title: str, model: type[Params], text: str, skip: tuple[str, ...] = ()) -> str:
    rows = ["| key | type | default | range | meaning |", "| --- | --- | --- | --- | --- |"]
    for name, info in model.model_fields.items():
        if name not in skip:
            rows.append(_row(name, info))
    return f"## `{title}`\n\n{text}\n\n" + "\n".join(rows) + "\n"


def _type(annotation: Any) -> str:
    inner = get_args(annotation)
    if not inner:
        return annotation.__name__ if isinstance(annotation, type) else str(annotation)
    origin = get_origin(annotation)
    if origin is tuple and inner[-1] is not Ellipsis:
        return f"{len(inner)} × {_type(inner[0])}"
    if origin is tuple:
        return f"list of {_type(inner[0])}"
    if getattr(origin, "__name__", str(origin)) == "Literal" or str(annotation).startswith("typing.Literal"):
        return " or ".join(f'`"{value}"`' for value in inner)
    if str(annotation).startswith("typing.Annotated"):
        return _type(inner[0])
    return " or ".join(_type(kind) for kind in inner if kind is not type(None))


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "*needed*"
    value = info.get_default(call_default_factory=True)
    return "none" if value in (None, "", ()) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _range(info: FieldInfo) -> str:
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    told = []
    for limit in info.metadata:
        told += [f"{sign} {getattr(limit, key):g}" for key, sign in signs.items() if hasattr(limit, key)]
    return ", ".join(told)
