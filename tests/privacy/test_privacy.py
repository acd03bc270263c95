"""Nothing that identifies a patient is in any output, and the checker finds what somebody puts there."""

from __future__ import annotations

import base64
import gzip
import io
import json
import shutil
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from surgplan.findings import Level
from surgplan.privacy.headers import Header, Kind, read_secrets
from surgplan.privacy.leaks import search_case
from surgplan.privacy.search import needles, search_file
from tests.formats.slices import slice_of, write
from tests.privacy.planted import FAMILY, GIVEN, PLANTED, planted_scan
from tests.program import Ended, files_below, surgplan


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_scan(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def ran(scan: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    folder = tmp_path_factory.mktemp("out") / "case-7"
    ended = surgplan("run", scan, "-r", "ct-bone", "-o", folder, "-v", "--json")
    assert ended.code in (0, 4), ended.err  # whether so small a ball passes every check is not the point
    return folder, ended


@pytest.fixture(scope="module")
def header(scan: Path) -> Header:
    return read_secrets(sorted(scan.iterdir()))


def unpacked(data: bytes) -> list[bytes]:
    """The bytes, and what a zip archive or a gzip stream in them holds: written without the code that is tested."""
    found = [data]
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found += [archive.read(name) for name in archive.namelist()]
    at = data.find(b"\x1f\x8b\x08")
    while at >= 0:
        with suppress(zlib.error):  # in a picture, three such bytes may stand by chance
            found.append(zlib.decompressobj(31).decompress(data[at:]))
        at = data.find(b"\x1f\x8b\x08", at + 1)
    return found


def test_none_of_ten_planted_values_is_in_any_output(ran: tuple[Path, Ended]) -> None:
    folder, ended = ran
    files = files_below(folder)
    assert len(files) > 15
    parts = [part for value in PLANTED.values() for part in (value, *value.replace("^", " ").split()) if len(part) > 4]
    told = [("its name", name.encode()) for name in files] + [
        ("stdout", ended.out.encode()),
        ("stderr", ended.err.encode()),
    ]
    for name, data in [*files.items(), *told]:
        for each in unpacked(data):
            low = each.lower()
            for part in parts:
                for code in (part.lower().encode(), part.lower().encode("utf-16-le"), part.lower().encode("utf-16-be")):
                    assert code not in low, f"{part} is in {name}"


def test_the_checker_looks_for_all_ten_and_finds_none(ran: tuple[Path, Ended], scan: Path, header: Header) -> None:
    values = {secret.value for secret in header.secrets}
    assert set(PLANTED.values()) <= values
    ended = surgplan("check", "--privacy", ran[0], "--against", scan, "--json")
    assert ended.code == 0, ended.out
    assert ended.json["values"] == len(values)
    assert {each["level"] for each in ended.json["findings"]} <= {"note"}, "only the frame of reference, told as a note"


def test_a_leak_ends_with_exit_8_and_names_what_and_where_without_telling_it(
    ran: tuple[Path, Ended], scan: Path, tmp_path: Path
) -> None:
    case = Path(shutil.copytree(ran[0], tmp_path / "case"))
    (case / "print" / "readme.txt").write_text(f"printed for Mrs {GIVEN.upper()} {FAMILY}\n")
    ended = surgplan("check", "--privacy", case, "--against", scan)
    assert ended.code == 8
    assert "print/readme.txt: holds PatientName, Z…" in ended.err
    assert FAMILY.lower() not in (ended.out + ended.err.replace(str(scan), "")).lower()


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def png(kind: bytes, data: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + chunk(kind, data) + chunk(b"IEND", b"")


def zipped(text: bytes, name: str = "3D/3dmodel.model") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return file.getvalue()


PACKINGS: dict[str, Callable[[str], bytes]] = {
    "plain": lambda text: f'{{"note": "{text}"}}'.encode(),
    "upper case": lambda text: f"NOTE: {text.upper()}.".encode(),
    "between voxels": lambda text: bytes(range(256)) * 40 + text.encode() + bytes(range(255, -1, -1)) * 40,
    "UTF-16-LE": lambda text: b"\xff\xfe" + f"note: {text}, end".encode("utf-16-le"),
    "UTF-16-BE": lambda text: f"note: {text}, end".encode("utf-16-be"),
    "JSON escapes": lambda text: ('{"note": "' + "".join(f"\\u{ord(sign):04x}" for sign in text) + '"}').encode(),
    "JSON": lambda text: json.dumps({"note": text}).encode(),
    "XML numbers": lambda text: ("<a>" + "".join(f"&#{ord(sign)};" for sign in text) + "</a>").encode(),
    "XML hexadecimal": lambda text: ("<a>" + "".join(f"&#x{ord(sign):X};" for sign in text) + "</a>").encode(),
    "URL": lambda text: ("q=" + "".join(f"%{byte:02X}" for byte in text.encode())).encode(),
    "base64": lambda text: b"<img src='data:x;base64," + base64.b64encode(f"note {text} end".encode()) + b"'>",
    "gzip": lambda text: gzip.compress(text.encode()),
    "gzip behind a header": lambda text: b"NRRD0004\nencoding: gzip\n\n" + gzip.compress(text.encode()),
    "zlib": lambda text: zlib.compress(f"note: {text}".encode()),
    "zip": lambda text: zipped(f"<model><metadata>{text}</metadata></model>".encode()),
    "zip in UTF-16": lambda text: zipped(f"<model>{text}</model>".encode("utf-16")),
    "zip member's name": lambda text: zipped(b"", f"3D/{text}.model"),
    "zip in zip": lambda text: zipped(zipped(text.encode())),
    "PNG tEXt": lambda text: png(b"tEXt", b"Comment\0" + text.encode()),
    "PNG zTXt": lambda text: png(b"zTXt", b"Comment\0\0" + zlib.compress(text.encode())),
    "PNG iTXt": lambda text: png(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(text.encode())),
    "STL header": lambda text: text.encode().ljust(80, b"\0") + bytes(4),
}


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_planted_value_is_found_in_every_packing(header: Header, packing: str) -> None:
    sought = needles(header)
    for keyword, value in PLANTED.items():
        text = value.replace("^", " ")
        found = search_file("file", PACKINGS[packing](text), sought, header)
        assert [each.level for each in found] == [Level.REFUSE], f"{keyword}: {found}"
        assert search_file("file", PACKINGS[packing]("nothing of the kind"), sought, header) == []


@pytest.mark.parametrize(
    "spelling",
    [
        *(
            "Quintessa Zwyrtkova",
            "zwyrtkova, quintessa",
            "zwyrtkova_quintessa.stl",
            "ZwyrtkovaQuintessa",
            "mrs-zwyrtkova",
        ),
        *("QX884177", "qx_8841_77", "1953-11-07", "07.11.1953", "11/07/1953", "7 Nov 1953", "krankenhaus-blauwald"),
        *("for QUINTESSA", "MRN00931177b", "acc7719034"),
    ],
)
def test_other_spellings_are_found(header: Header, spelling: str) -> None:
    assert search_file("f", f"model {spelling}".encode(), needles(header), header)


def test_names_beyond_ascii_are_found_as_files_spell_them(tmp_path: Path) -> None:
    data = slice_of(np.zeros((4, 4), np.int16), SpecificCharacterSet="ISO_IR 192", PatientName="Ångström-Müller^Zoë")
    header = read_secrets([write(tmp_path / "a.dcm", data)])
    sought = needles(header)
    for text in ("Ångström-Müller", "ÅNGSTRÖM-MÜLLER", "angstrom-muller", "zoë"):
        assert search_file("f", f"name: {text}".encode(), sought, header), text
    assert search_file("f", "name: Ångström-Müller".encode("latin-1"), sought, header)
    assert search_file("f", b"angle of mull, zo", sought, header) == []


def test_numbers_and_words_that_are_there_by_chance_do_not_refuse_a_case(tmp_path: Path) -> None:
    data = slice_of(
        np.zeros((4, 4), np.int16),
        PatientName="Bone^Left",
        PatientID="51234",
        StudyDescription="Mandible",
        StationName="CT1",
    )
    header = read_secrets([write(tmp_path / "a.dcm", data)])
    assert header.short >= 1  # CT1
    sought = needles(header)
    text = b'{"name": "left bone", "triangles": 51234, "structure": "mandible"}'
    assert {each.level for each in search_file("f", text, sought, header)} == {Level.WARN}
    assert search_file("f", b'{"x": 0.51234, "uid": "1.2.51234.7", "y": 5123456}', sought, header) == []


def test_a_short_name_is_not_found_among_voxels(tmp_path: Path) -> None:
    header = read_secrets([write(tmp_path / "a.dcm", slice_of(np.zeros((4, 4), np.int16), PatientName="Voss^Ute"))])
    sought = needles(header)
    voxels = np.random.default_rng(0).integers(0, 256, 4_000_000, dtype=np.uint8).tobytes()
    assert b"ute" in voxels.lower(), "or the test would prove nothing"
    assert search_file("volume.nrrd", voxels, sought, header) == []
    tissue = np.random.default_rng(1).integers(32, 127, 1_000_000, dtype=np.int16).tobytes()  # reads like UTF-16
    assert "ute".encode("utf-16-le") in tissue.lower(), "or the test would prove nothing"
    assert search_file("volume.nrrd", tissue, sought, header) == []
    assert search_file("ute.ply", b"", sought, header), "but in a file's name it is"


def test_what_a_scan_tells_of_the_machine_is_no_secret(tmp_path: Path) -> None:
    data = slice_of(
        np.zeros((4, 4), np.int16),
        ManufacturerModelName="Lightfast VCT",
        Manufacturer="ACME",
        StudyInstanceUID="1.2.77.8",
    )
    block = data.private_block(0x0011, "ACME_01", create=True)
    for number, text in enumerate(("Lightfast VCT", "LIGHTFAST", "Lightfas")):
        block.add_new(0x10 + number, "LO", text)
    data.AccessionNumber = "Lightfast"
    header = read_secrets([write(tmp_path / "a.dcm", data)])
    told = {each.value for each in header.secrets}
    assert not {"Lightfast VCT", "LIGHTFAST"} & told, "a whole word of what the machine is called"
    assert "Lightfas" in told
    assert "Lightfast" in {each.value for each in header.secrets if each.where == "AccessionNumber"}
    kinds = {each.where: each.kind for each in header.secrets}
    assert kinds["PatientName"] is Kind.NAME
    assert kinds["StudyInstanceUID"] is Kind.UID
    assert "SOPClassUID" not in kinds


def test_uids_are_found_and_the_frame_of_reference_is_a_note(tmp_path: Path) -> None:
    uids = {"StudyInstanceUID": "1.2.840.113.77.5", "FrameOfReferenceUID": "1.2.840.113.77.6"}
    header = read_secrets([write(tmp_path / "a.dcm", slice_of(np.zeros((4, 4), np.int16), **uids))])
    found = {
        each.measured.split()[1]: each.level
        for each in search_file("f", b"1.2.840.113.77.5 1.2.840.113.77.6", [], header)
    }
    assert found == {"StudyInstanceUID,": Level.REFUSE, "FrameOfReferenceUID,": Level.NOTE}
    assert search_file("f", b"1.2.840.113.77.55", [], header) == []


def test_a_case_named_after_its_patient_is_refused(scan: Path, tmp_path: Path) -> None:
    for words in (("-o", tmp_path / f"{FAMILY}"), ("-o", tmp_path / "a", "--name", f"{GIVEN} {FAMILY}")):
        ended = surgplan("run", scan, "-r", "ct-bone", *words)
        assert ended.code == 8
        assert "case.toml: holds PatientName, Z…" in ended.error
        assert not list(tmp_path.rglob("case.toml"))


def test_a_folder_without_dicom_cannot_be_checked_against(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no scan")
    ended = surgplan("check", "--privacy", tmp_path, "--against", tmp_path)
    assert ended.code == 3
    assert "holds no DICOM header" in ended.error
    assert surgplan("check", "--privacy", tmp_path).code == 2
    assert surgplan("check", tmp_path, "--against", tmp_path).code == 2


def test_hidden_files_count_too(tmp_path: Path, header: Header) -> None:
    (tmp_path / ".surgplan").mkdir()
    (tmp_path / ".surgplan" / "note").write_text(f"/data/{FAMILY}")
    assert [each.subject for each in search_case(tmp_path, header).findings] == [".surgplan/note"]
