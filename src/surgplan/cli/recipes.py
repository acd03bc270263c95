"""`surgplan recipes`: list, show and explain recipes."""

from __future__ import annotations

import json

import click

from surgplan.cli.options import named, speaking
from surgplan.cli.output import Output, Result, table


@click.command("recipes")
@click.argument("words", nargs=-1, metavar="[show] [NAME]")
@click.option("--schema", is_flag=True, help="The JSON Schema of recipes, for editors that complete TOML.")
@speaking
def command(words: tuple[str, ...], schema: bool, output: Output) -> None:
    """List the recipes, or show the text of the recipe NAME with its comments.

    \b
    surgplan recipes
    surgplan recipes show ct-pelvis
    """
    from surgplan.case.recipe import Recipe, find_recipe, recipe_paths
    from surgplan.case.toml_files import read_toml

    name = named(words, "recipes")
    if schema:
        text = json.dumps(Recipe.model_json_schema(), indent=1, sort_keys=True)
        output.result(Result(values={"schema": Recipe.model_json_schema()}, lines=(text,)))
    elif name is not None:
        path = find_recipe(name)
        read_toml(path)
        output.result(Result(values={"path": str(path)}, lines=(path.read_text("utf-8").rstrip(),)))
    else:
        told = {stem: str(read_toml(path).get("description", "")) for stem, path in recipe_paths().items()}
        lines = table([("recipe", "what it is for"), *told.items()])
        output.result(Result(values={"recipes": told}, lines=tuple(lines)))
