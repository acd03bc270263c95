"""Originals and mutations of NIfTI, NRRD, MetaImage and segmentation files."""

from __future__ import annotations

import gzip
import re
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np

from tests.fuzz.blind import ODD_NUMBERS, blindly, cut, lines
from tests.fuzz.mutants import Mutant, Original

NIFTI1: dict[str, tuple[int, str]] = {
    "sizeof_hdr": (0, "i"), "intent_code": (68, "h"), "datatype": (70, "h"), "bitpix": (72, "h"),
    "vox_offset": (108, "f"), "scl_slope": (112, "f"), "scl_inter": (116, "f"), "xyzt_units": (123, "B"),
    "qform_code": (252, "h"), "sform_code": (254, "h"), "quatern_b": (256, "f"), "quatern_c": (260, "f"),
    "quatern_d": (264, "f"), "qoffset_x": (268, "f"), "qoffset_y": (272, "f"), "qoffset_z": (276, "f"),
}  # fmt: skip
"""Offset and type of the fields of a NIfTI-1 header: nifti1.h."""
NIFTI2: dict[str, tuple[int, str]] = {
    "sizeof_hdr": (0, "i"), "datatype": (12, "h"), "bitpix": (14, "h"), "vox_offset": (168, "q"),
    "scl_slope": (176, "d"), "scl_inter": (184, "d"), "qform_code": (344, "i"), "sform_code": (348, "i"),
    "xyzt_units": (500, "i"), "intent_code": (504, "i"), "quatern_b": (352, "d"), "qoffset_x": (376, "d"),
}  # fmt: skip
"""The same of a NIfTI-2 header: nifti2.h."""
NIFTI1 |= {f"dim{at}": (40 + 2 * at, "h") for at in range(8)}
NIFTI1 |= {f"pixdim{at}": (76 + 4 * at, "f") for at in range(8)} | {
    f"srow{at}": (280 + 4 * at, "f") for at in range(12)
}
NIFTI2 |= {f"dim{at}": (16 + 8 * at, "q") for at in range(8)}
NIFTI2 |= {f"pixdim{at}": (104 + 8 * at, "d") for at in range(8)} | {
    f"srow{at}": (400 + 8 * at, "d") for at in range(12)
}
WHOLE = (0, 1, -1, 2, 3, 4, 5, 7, 16, 64, 127, 128, 255, 512, 1024, 1002, 32767, -32768, 2**31 - 1, -(2**31), 2**62)
REAL = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-30, 1e30, float("nan"), float("inf"), -float("inf"), 352.5, 1e9, 0.001)


def noise(shape: tuple[int, int, int]) -> np.ndarray:
    """A block that no gate takes for a label map: noise on a CT's scale, (k, j, i)."""
    rng = np.random.default_rng(5)
    values = rng.normal(40, 30, shape)
    values[:, : shape[1] // 3] -= 1000
    values[:, -2:] += 900
    return values.astype(np.int16)


def originals(data: Path | None) -> Iterator[Original]:
    """Small generated files of every layout, and real ones."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(noise((12, 14, 16)))
    image.SetSpacing((0.7, 0.9, 2.5))
    image.SetOrigin((-31.5, 12.25, 480.0))
    turn = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3)
    image.SetDirection(turn.GetMatrix())
    with tempfile.TemporaryDirectory() as folder:
        for name, packed in (
            *(("scan.nii", False), ("scan.nii.gz", True), ("scan.nrrd", False), ("packed.nrrd", True)),
            *(("scan.nhdr", False), ("scan.mha", False), ("packed.mha", True), ("scan.mhd", False)),
        ):
            path = Path(folder, name)
            sitk.WriteImage(image, str(path), packed)
            files = {path.name: path.read_bytes()}
            beside = next((each for each in Path(folder).iterdir() if each.suffix == ".raw"), None)
            if beside:
                files[beside.name] = beside.read_bytes()
                beside.unlink()
            kind = {"nii": "nifti", "gz": "nifti", "mha": "mha", "mhd": "mha"}.get(name.rsplit(".", 1)[1], "nrrd")
            yield Original(kind, name, files, name, tuple(files))
        little = Path(folder, "scan.nii").read_bytes()
    yield _single("nifti", "sform.nii", _sform_only(little))
    yield _single("nifti", "big.nii", _big_endian(little))
    yield _single("nifti", "two.nii", _version_two(little))
    yield _single("nrrd", "ras.nrrd", _ras_nrrd())
    yield _single("seg", "labels.seg.nrrd", _segmentation())
    for kind, place in (
        ("nifti", "ct_head_thick/ct_example.nii.gz"),
        ("nifti", "mr_spine_t2/sample_mri/sub-mri_label-6_T2w.nii.gz"),
        ("nifti", "ct_pelvis_3mm/example_ct.nii.gz"),
        ("seg", "ct_pelvis_3mm/masks/hip_left.nii.gz"),
    ):
        if data and (data / place).is_file():
            path = data / place
            yield Original(kind, path.name, {path.name: path}, path.name, (path.name,))


def _single(kind: str, name: str, data: bytes) -> Original:
    return Original(kind, name, {name: data}, name, (name,))


def _sform_only(little: bytes) -> bytes:
    new = bytearray(little)
    struct.pack_into("<h", new, 252, 0)
    return bytes(new)


def _big_endian(little: bytes) -> bytes:
    new = bytearray(little)
    for offset, code in NIFTI1.values():
        struct.pack_into(f">{code}", new, offset, *struct.unpack_from(f"<{code}", little, offset))
    new[352:] = np.frombuffer(little[352:], "<i2").astype(">i2").tobytes()
    return bytes(new)


def _version_two(little: bytes) -> bytes:
    new = bytearray(544)
    for name, (offset, code) in NIFTI2.items():
        value = struct.unpack_from(f"<{NIFTI1[name][1]}", little, NIFTI1[name][0])[0]
        struct.pack_into(f"<{code}", new, offset, int(value) if code in "hiqB" else value)
    struct.pack_into("<i", new, 0, 540)
    struct.pack_into("<q", new, 168, 544)
    struct.pack_into("<i", new, 344, 0)
    new[4:12] = b"n+2\0\r\n\x1a\n"
    return bytes(new) + little[352:]


def _ras_nrrd() -> bytes:
    head = (
        "NRRD0005\n# made by hand\ntype: short\ndimension: 3\nspace: right-anterior-superior\nsizes: 16 14 12\n"
        "space directions: (0,1.5,0) (0,0,0.75) (2,0,0)\nkinds: domain domain domain\nendian: little\nencoding: raw\n"
        'space origin: (10.5,-20.25,300)\nspace units: "mm" "mm" "mm"\nnote:=a pair\n\n'
    )
    return head.encode() + noise((12, 14, 16)).tobytes()


def _segmentation() -> bytes:
    array = np.zeros((12, 14, 16), np.uint8)
    array[2:9, 3:10, 2:7], array[2:9, 3:10, 8:14] = 1, 2
    head = (
        "NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nsizes: 16 14 12\n"
        "space directions: (0.7,0,0) (0,0.7,0) (0,0,2)\nkinds: domain domain domain\nencoding: gzip\n"
        "space origin: (1,2,3)\nSegment0_ID:=one\nSegment0_Name:=left hip\nSegment0_LabelValue:=1\nSegment0_Layer:=0\n"
        "Segment0_Color:=0.5 0.5 0.5\nSegment0_Extent:=0 15 0 13 0 11\nSegment0_Tags:=surgplan.side:left|\n"
        "Segment1_ID:=two\nSegment1_Name:=right hip\nSegment1_LabelValue:=2\nSegment1_Layer:=0\n"
        "Segment1_Color:=0.5 0.9 0.5\nSegment1_Tags:=surgplan.side:right|surgplan.level:250.0|\n\n"
    )
    return head.encode() + gzip.compress(array.tobytes(), 1)


def mutate(random: Random, original: Original) -> Mutant:
    """One mutation of one of the original's files."""
    victim = random.choice(original.victims)
    data = original.bytes_of(victim)
    must_fail = False
    how = random.random()
    if how < 0.12:
        new, told = cut(random, data)
        must_fail = len(new) < len(data.rstrip()) or not victim.endswith((".nhdr", ".mhd"))
    elif how < 0.34:
        new, told = blindly(random, data, 600)
    elif how < 0.38:
        new, told = _bomb(random, data, victim)
    elif victim.endswith((".nii", ".nii.gz")):
        new, told = _nifti(random, data)
    elif victim.endswith((".nrrd", ".nhdr", ".mha", ".mhd")):
        new, told = _text_header(random, data, victim)
    else:
        new, told = blindly(random, data)
    return replace_file(original, victim, new, told, must_fail)


def replace_file(original: Original, victim: str, new: bytes, told: str, must_fail: bool = False) -> Mutant:
    """The mutant whose file `victim` has other bytes."""
    same = new == original.bytes_of(victim)
    return Mutant(original, {**original.files, victim: new}, f"{victim}: {told}", must_fail and not same)


def _nifti(random: Random, data: bytes) -> tuple[bytes, str]:
    """One to three header fields with odd values; the stream is packed again where it was."""
    packed = data[:2] == b"\x1f\x8b"
    plain = bytearray(gzip.decompress(data) if packed else data)
    two = 540 in (int.from_bytes(plain[:4], "little"), int.from_bytes(plain[:4], "big"))
    order = ">" if plain[0] == 0 else "<"
    fields = NIFTI2 if two else NIFTI1
    told = []
    for name in random.sample(sorted(fields), random.choice((1, 1, 1, 2, 3))):
        offset, code = fields[name]
        old = struct.unpack_from(f"{order}{code}", plain, offset)[0]
        if code in "fd":
            value = random.choice((*REAL, -old, old * 10, old * 1.01, old + 0.5))
            bits = struct.pack(f"{order}d", value) if code == "d" else np.array(value, f"{order}f4").tobytes()
        else:
            size = struct.calcsize(code)
            value = random.choice((*WHOLE, old + 1, old * 2, -old))
            bits = (value % (1 << 8 * size)).to_bytes(size, "big" if order == ">" else "little")
        plain[offset : offset + len(bits)] = bits
        told.append(f"{name} = {value}")
    new = bytes(plain)
    return gzip.compress(new, 1) if packed else new, ", ".join(told)


def _text_header(random: Random, data: bytes, victim: str) -> tuple[bytes, str]:
    """The lines of a text header changed; the voxels stay."""
    metaimage = victim.endswith((".mha", ".mhd"))
    found = re.search(rb"ElementDataFile[^\n]*\n" if metaimage else rb"\n\r?\n", data)
    end = found.end() if found else len(data)
    head = data[:end].decode("utf-8", "replace")
    how = random.random()
    if how < 0.15:
        names = (
            "sizes",
            "DimSize",
            "space origin",
            "Offset",
            "space directions",
            "TransformMatrix",
            "dimension",
            "NDims",
        )
        extra = random.choice(names)
        value = " ".join(random.choice(ODD_NUMBERS)[:100] for _ in range(random.choice((1, 3, 9))))
        line = f"{extra} = {value}" if metaimage else f"{extra}: {value}"
        rows = head.split("\n")
        rows.insert(random.randrange(1, max(len(rows) - 2, 2)), line)
        return "\n".join(rows).encode("utf-8", "replace") + data[end:], f"added {line[:80]!r}"
    if how < 0.2:
        big = "x" * random.choice((1 << 16, 1 << 21))
        return (head.rstrip("\n") + f"\n{big}:={big}\n\n").encode() + data[end:], f"a header line of {2 * len(big)}"
    head, told = lines(random, head)
    if random.random() < 0.2:
        head, more = lines(random, head)
        told += f"; {more}"
    return head.encode("utf-8", "replace") + data[end:], told


def _bomb(random: Random, data: bytes, victim: str) -> tuple[bytes, str]:
    """A compressed stream that unpacks to far more than it should, declared or not."""
    size = random.choice((1 << 24, 1 << 28))
    if victim.endswith(".gz"):
        head = bytearray(gzip.decompress(data)[:352])
        if random.random() < 0.5:
            struct.pack_into("<4h", head, 40, 3, 4096, 4096, max(size >> 24, 1))
        return gzip.compress(bytes(head), 1) + _zeros(size), f"a gzip bomb of {size} bytes"
    found = re.search(rb"\n\r?\n", data)
    if victim.endswith("nrrd") and found:
        head = data[: found.end()].replace(b"encoding: raw", b"encoding: gzip")
        skip = random.choice(
            (b"", b"byte skip: 1000000000\n", b"byte skip: -1\n", b"byte skip: 99999999999999999999\n")
        )
        head = head.replace(b"encoding:", skip + b"encoding:")
        return head + _zeros(size), f"a gzip bomb of {size} bytes, {skip!r}"
    return blindly(random, data)


def _zeros(size: int) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(1 << 20)
    return b"".join(stream.compress(block) for _ in range(size >> 20)) + stream.flush()
