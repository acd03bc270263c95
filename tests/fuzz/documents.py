"""Originals and mutations of texts: markups, transforms, recipes, case files, manifests, XML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.blind import ODD_NUMBERS, ODD_TEXTS, blindly, cut, lines
from tests.fuzz.images import noise
from tests.fuzz.mutants import Mutant, Original

MRK: dict[str, Any] = {
    "@schema": "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#",
    "markups": [
        {
            "type": "Fiducial",
            "coordinateSystem": "LPS",
            "coordinateUnits": "mm",
            "controlPoints": [
                {"id": str(number), "label": f"p{number}", "description": "", "position": [number, 2.5, -3.0]}
                | {"orientation": [1, 0, 0, 0, 1, 0, 0, 0, 1], "positionStatus": "defined"}
                for number in range(4)
            ],
        }
    ],
}
FCSV = (
    "# Markups fiducial file version = 4.11\n# CoordinateSystem = LPS\n"
    "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
    "1,10.5,-20.25,30,0,0,0,1,1,1,0,nasion,,\n2,1,2,3,0,0,0,1,1,1,0,tragus,left one,\n"
)
TFM = (
    '#Insight Transform File V1.0\n#surgplan {"fixed": {"name": "LPS", "scope": ""}, "moving": {"name": "PRINT", '
    '"scope": ""}}\n#Transform 0\nTransform: AffineTransform_double_3_3\n'
    "Parameters: 1 0 0 0 1 0 0 0 1 10 20 30\nFixedParameters: 0 0 0\n"
)
CSV = "# frame = LPS\n# unit = mm\nname,x_mm,y_mm,z_mm,uncertainty_mm,description\na,1.5,2,3,0.2,one\nb,4,5,6,,two\n"
POINTS: dict[str, Any] = {
    "format": "surgplan-points",
    "format_version": 1,
    "unit": "mm",
    "frame": {"name": "LPS", "scope": ""},
    "frame_of_reference_uid": "",
    "points": [{"name": "a", "position_mm": [1.5, 2.0, 3.0], "uncertainty_mm": None, "description": ""}],
}
TRANSFORM: dict[str, Any] = {
    "format": "surgplan-transform",
    "format_version": 1,
    "unit": "mm",
    "fixed": {"name": "LPS", "scope": ""},
    "moving": {"name": "PRINT", "scope": ""},
    "matrix": [[1, 0, 0, 10], [0, 1, 0, 20], [0, 0, 1, 30], [0, 0, 0, 1]],
}
PLUS = (
    '<?xml version="1.0"?>\n<PlusConfiguration version="2.1">\n<CoordinateDefinitions>\n<Transform From="StylusTip" '
    'To="Stylus" Matrix="1 0 0 210 0 1 0 0 0 0 1 -2 0 0 0 1"/>\n</CoordinateDefinitions>\n<PhantomDefinition>\n'
    '<Geometry>\n<Landmarks>\n<Landmark Name="#1" Position="0 5 10"/>\n<Landmark Name="#2" Position="1 2 3"/>\n'
    "</Landmarks>\n</Geometry>\n</PhantomDefinition>\n</PlusConfiguration>\n"
)
RECORDING = "ObjectType = Image\nNDims = 3\n" + "".join(
    f"Seq_Frame{n:04d}_StylusToTrackerTransform = 1 0 0 {n} 0 1 0 2 0 0 1 3 0 0 0 1\n"
    f"Seq_Frame{n:04d}_StylusToTrackerTransformStatus = OK\nSeq_Frame{n:04d}_Timestamp = {n / 10}\n"
    for n in range(12)
)
RECORDING += "ElementDataFile = LOCAL\n"
RECIPE = (
    'description = "bone"\n[ingest]\nmax_step_mm = 3.0\n[[structure]]\nname = "bone"\nthreshold_hu = [250, 3071]\n'
    'keep_largest = 1\ncolor = "#e8dcc0"\n[surface]\ntolerance_mm = 0.15\n[print]\nprinter = "generic-fdm"\n'
)
CASE = (
    'case = "demo"\nsource = "scan.nrrd"\nrecipe = "mine.toml"\n[[landmark]]\nname = "nasion"\n'
    'position_mm = [0.4, -88.1, 12.0]\nframe = "LPS"\n[[landmark]]\nname = "deep"\nposition_mm = [5.0, -20.0, 12.0]\n'
    '[[trajectory]]\nname = "biopsy"\nentry = "nasion"\ntarget = "deep"\navoid = ["bone"]\nmargin_mm = 3.0\n'
)


def originals(data: Path | None) -> Iterator[Original]:
    """One of each, and the real lists of points."""
    yield _single("points", "points.mrk.json", json.dumps(MRK, indent=1).encode())
    yield _single("points", "points.fcsv", FCSV.encode())
    yield _single("points", "points.csv", CSV.encode())
    yield _single("points", "points.json", json.dumps(POINTS, indent=1).encode())
    yield _single("points", "config.xml", PLUS.encode())
    yield _single("points", "recording.mha", RECORDING.encode())
    yield _single("tfm", "lps_from_print.tfm", TFM.encode())
    yield _single("tfm", "transform.json", json.dumps(TRANSFORM, indent=1).encode())
    yield _single("tfm", "matrix.txt", b"1 0 0 10\n0 1 0 20\n0 0 1 30\n0 0 0 1\n")
    yield _single("tfm", "transform.h5", _h5())
    yield Original(
        "recipe", "recipe", {"mine.toml": RECIPE.encode(), "scan.nrrd": _scan()}, "mine.toml", ("mine.toml",)
    )
    files = {"case.toml": CASE.encode(), "mine.toml": RECIPE.encode(), "scan.nrrd": _scan()}
    yield Original("case", "case", files, "case.toml", ("case.toml", "mine.toml"))
    manifest = {"manifest.json": json.dumps(_manifest(), indent=1).encode(), "volume.nrrd": b"a volume"}
    yield Original("manifest", "manifest", manifest, ".", ("manifest.json",))
    if data:
        for path in sorted((data / "navigation").rglob("*.fcsv")) + sorted((data / "navigation").rglob("*_afids.json")):
            yield Original("points", path.name, {path.name: path}, path.name, (path.name,))


def _h5() -> bytes:
    import tempfile

    import SimpleITK as sitk

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "transform.h5")
        sitk.WriteTransform(sitk.AffineTransform((1, 0, 0, 0, 1, 0, 0, 0, 1), (10.0, 20.0, 30.0)), str(path))
        return path.read_bytes()


def _single(kind: str, name: str, data: bytes) -> Original:
    return Original(kind, name, {name: data}, name, (name,))


def _scan() -> bytes:
    head = (
        "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 16 14 12\nendian: little\n"
        "space directions: (1,0,0) (0,1,0) (0,0,1)\nencoding: raw\nspace origin: (0,0,0)\n\n"
    )
    return head.encode() + noise((12, 14, 16)).tobytes()


def _manifest() -> dict[str, Any]:
    import hashlib

    stage = {
        "key": "0" * 64,
        "version": 1,
        "parameters": {"max_step_mm": 3.0},
        "inputs": {"scan": "1" * 64},
        "outputs": {"volume.nrrd": {"sha256": hashlib.sha256(b"a volume").hexdigest(), "size": 8}},
        "results": {"facts": {"modality": "CT"}},
        "findings": [{"check": "x", "level": "note", "measured": "1", "limit": "", "advice": "", "source": ""}],
    }
    return {
        "format": "surgplan-manifest",
        "format_version": 1,
        "case": "demo",
        "recipe": "ct-bone",
        "surgplan": "0.1",
        "environment": {},
        "stages": {"ingest": stage},
        "times": {"ingest": 1.0},
    }


def mutate(random: Random, original: Original) -> Mutant:
    """One text broken: as JSON, TOML or lines."""
    victim = random.choice(original.victims)
    data = original.bytes_of(victim)
    how = random.random()
    if how < 0.1:
        new, told = cut(random, data)
    elif how < 0.3:
        new, told = blindly(random, data, len(data))
    elif victim.endswith(".json") and how < 0.75:
        new, told = json_mutation(random, data)
    elif victim.endswith(".h5"):
        new, told = blindly(random, data, 3000)
    elif victim.endswith(".xml"):
        new, told = xml_mutation(random, data)
    elif victim.endswith(".toml") and how < 0.5:
        new, told = _toml(random, data)
    else:
        text, told = lines(random, data.decode("utf-8"))
        new = text.encode("utf-8", "replace")
    return Mutant(original, {**original.files, victim: new}, f"{victim}: {told}")


def json_mutation(random: Random, data: bytes) -> tuple[bytes, str]:
    """One value of a JSON document replaced by another kind of thing, or the document nested deep."""
    stored = json.loads(data)
    if random.random() < 0.12:
        depth = random.choice((200, 3000, 100_000))
        opened, closed = random.choice((("[", "]"), ('{"a":', "}")))
        body = opened * depth + "1" + closed * (depth if random.random() < 0.7 else 0)
        spot = random.choice(("markups", "stages", "x"))
        return (b'{"' + spot.encode() + b'":' + body.encode() + b"," + data.lstrip()[1:]), f"{spot} nested {depth} deep"
    places = list(_places(stored))
    holder, key = random.choice(places)
    values: tuple[Any, ...] = (
        None,
        True,
        -1,
        0,
        1e308,
        10**400,
        [],
        {},
        [[]],
        "x",
        random.choice(ODD_TEXTS),
        ["a"] * 9,
    )
    value = random.choice((*values, random.choice(ODD_NUMBERS)))
    told = f"{key} = {str(value)[:60]!r}"
    if random.random() < 0.15 and isinstance(holder, dict):
        del holder[key]
        told = f"{key} lost"
    elif random.random() < 0.15 and isinstance(holder, dict):
        holder[random.choice(("../../../escaped", "/tmp/escaped", "..", "a/../../b", "\ud800", ""))] = holder.pop(key)
        told = f"{key} renamed"
    else:
        holder[key] = value
    text = json.dumps(stored, indent=1, ensure_ascii=random.random() < 0.5)
    if random.random() < 0.1:
        text = re.sub(
            r": (\d+)", lambda found: f": {random.choice(('NaN', 'Infinity', '1e999', '01', '0x1'))}", text, count=1
        )
    return text.encode("utf-8", "surrogatepass"), told


def _places(stored: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(stored, dict):
        for key, value in stored.items():
            yield stored, key
            yield from _places(value)
    elif isinstance(stored, list):
        for at, value in enumerate(stored):
            yield stored, at
            yield from _places(value)


def _toml(random: Random, data: bytes) -> tuple[bytes, str]:
    depth = random.choice((100, 2000, 50_000))
    piece, told = random.choice(
        (
            ("x = " + "[" * depth + "]" * depth + "\n", f"arrays nested {depth} deep"),
            ("x = " + "{a = " * depth + "1" + "}" * depth + "\n", f"tables nested {depth} deep"),
            ("[" + ".".join("a" * 1 for _ in range(depth)) + "]\nb = 1\n", f"a table {depth} names deep"),
            ('extends = "mine.toml"\n', "a recipe that extends itself"),
            ('extends = "/dev/zero"\n', "a recipe that extends a device"),
            ('source = "/dev/zero"\n', "a device for a scan"),
            ("x = " + "9" * 100_000 + "\n", "a very long number"),
            ('x = """' + "y" * 900_000 + '"""\n', "a very long text"),
            ("x = 1979-05-27T07:32:00Z\n", "a time"),
        )
    )
    return piece.encode() + data, told


def xml_mutation(random: Random, data: bytes) -> tuple[bytes, str]:
    """One attribute, tag or line of an XML document changed."""
    text = data.decode("utf-8", "replace")
    spots = list(re.finditer(r'"([^"]*)"', text))
    if spots and random.random() < 0.7:
        spot = random.choice(spots[:60]) if random.random() < 0.7 else random.choice(spots)
        odd = (
            *ODD_NUMBERS,
            *ODD_TEXTS,
            "inch",
            "1 0 0 0 1 0 0 0 1 0 0",
            "0 0 0 0 0 0 0 0 0 0 0 0",
            "-1 0 0 0 1 0 0 0 1 0 0 0",
        )
        value = random.choice(odd).replace('"', "").replace("<", "&lt;")
        return (
            (text[: spot.start(1)] + value + text[spot.end(1) :]).encode("utf-8", "replace"),
            f"{text[max(spot.start() - 20, 0) : spot.end()]!r} → {value[:40]!r}",
        )
    if random.random() < 0.3:
        return deep_xml(random, data)
    new, told = lines(random, text)
    return new.encode("utf-8", "replace"), told


def deep_xml(random: Random, data: bytes) -> tuple[bytes, str]:
    """Document types with entities, deep nesting, other encodings, endless comments."""
    how = random.randrange(6)
    end = data.find(b"?>") + 2 if data.startswith(b"<?xml") else 0
    if how == 0:
        laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
        return data[:end] + f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>'.encode() + data[end:], "a billion laughs"
    if how == 1:
        return data[:end] + b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + data[end:], "an external document type"
    if how == 2:
        depth = random.choice((500, 20_000, 400_000))
        return data[:end] + b"<a>" * depth + data[end:] + b"</a>" * depth, f"elements nested {depth} deep"
    if how == 3:
        laughs = '<!DOCTYPE x [<!ENTITY a "ha">]>'
        text = '<?xml version="1.0" encoding="UTF-16"?>' + laughs + data[end:].decode("utf-8", "replace")
        return text.encode("utf-16"), "entities in UTF-16"
    if how == 4:
        many = b"".join(b' a%d="1"' % number for number in range(20_000))
        return re.sub(rb"<(\w+)", lambda found: found[0] + many, data, count=1), "20,000 attributes"
    return data[:end] + b"<!-- " + b"x" * 3_000_000 + b" -->" + data[end:], "a comment of 3 MB"
