from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from surgplan.cli.main import run
from surgplan.errors import BadInput, WrongUsage
from surgplan.findings import Level
from surgplan.formats.meshes import write_mesh
from surgplan.model.frames import LPS, PRINT, RAS
from surgplan.model.labels import Label
from surgplan.model.plate import placings
from surgplan.model.surface import Surface
from surgplan.printing.printers import find_printer, printers
from surgplan.printing.stage import PrintParams, prepare


def box(
    name: str = "bone", extents: tuple[float, float, float] = (40, 60, 80), at: tuple[float, ...] = (5, -9, 33)
) -> Surface:
    mesh = trimesh.creation.box(extents)
    return Surface(Label(1, name), mesh.vertices + np.array(at), mesh.faces)


def test_the_model_stands_on_the_plate_superior_up_and_centred() -> None:
    plate = prepare([box()], PrintParams(), "case").plate
    printer = find_printer("generic-fdm")
    low, high = plate.bounds
    assert low[2] == pytest.approx(0)
    assert ((low + high) / 2)[:2] == pytest.approx(np.array(printer.build_volume_mm[:2]) / 2)
    assert high - low == pytest.approx([40, 60, 80])
    head = plate.print_from_lps.apply([0, 0, 73.0])
    assert head[2] == pytest.approx(80)


def test_left_stays_left() -> None:
    plate = prepare([box()], PrintParams(scale=0.5), "case").plate
    assert np.linalg.det(plate.print_from_lps.linear) == pytest.approx(0.125)
    assert (plate.print_from_lps.fixed, plate.print_from_lps.moving) == (PRINT, LPS)


def test_structures_keep_their_places_relative_to_each_other() -> None:
    inner = box("tumour", (4, 4, 4), (8, -2, 40))
    plate = prepare([box(), inner], PrintParams(scale=2.0), "case").plate
    moved = [plate.print_from_lps @ each for each in plate.objects]
    apart = moved[1].bounds.mean(axis=0) - moved[0].bounds.mean(axis=0)
    assert apart == pytest.approx(2 * np.array([3, 7, 7]))


def test_a_model_that_is_too_large_or_scaled_is_told() -> None:
    result = prepare([box(extents=(300, 60, 80))], PrintParams(), "case")
    assert [finding.check for finding in result.findings] == ["build-volume"]
    assert "300.0 × 60.0 × 80.0 mm" in result.findings[0].measured
    scaled = prepare([box(extents=(300, 60, 80))], PrintParams(scale=0.5), "case")
    assert [(finding.check, finding.level) for finding in scaled.findings] == [("scale", Level.WARN)]


def test_nothing_to_print_and_wrong_frames_are_refused() -> None:
    with pytest.raises(BadInput, match="no surface"):
        prepare([], PrintParams(), "case")
    ras = Surface(Label(1, "bone"), box().vertices, box().triangles, RAS)
    with pytest.raises(BadInput, match="LPS"):
        prepare([ras], PrintParams(), "case")


def test_an_unknown_printer_names_the_nearest() -> None:
    with pytest.raises(WrongUsage, match="Did you mean `sla-desktop`"):
        prepare([box()], PrintParams(printer="sla-destkop"), "case")


def test_every_number_of_a_shipped_profile_has_its_source() -> None:
    words = {"name", "description", "technology", "currency", "source", "sources"}
    assert len(printers()) >= 4
    for printer in printers().values():
        for key in printer.model_fields_set - words:
            assert printer.sources.get(key), f"{printer.name}: {key}"


OWN = "build_volume_mm = [100.0, 100.0, 100.0]\nlayer_mm = 0.1\n"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lab's own folder of profiles."""
    folder = tmp_path / "surgplan" / "printers"
    folder.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return folder


def test_a_labs_own_profile_hides_a_shipped_one(lab: Path) -> None:
    (lab / "generic-fdm.toml").write_text(OWN)
    assert find_printer("generic-fdm").build_volume_mm == (100.0, 100.0, 100.0)
    assert "default" in find_printer("generic-fdm").source_of("smallest_wall_mm")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("build_volume_mm = [100.0, 100.0]\nlayer_mm = 0.1\n", "build_volume_mm"),
        ("build_volume_mm = [100.0, 0.0, 100.0]\nlayer_mm = 0.1\n", "build_volume_mm"),
        ("build_volume_mm = [100.0, -5.0, 100.0]\nlayer_mm = 0.1\n", "build_volume_mm"),
        ("build_volume_mm = [100.0, inf, 100.0]\nlayer_mm = 0.1\n", "build_volume_mm"),
        (OWN.replace("0.1", "nan"), "layer_mm"),
        (OWN + "smallest_wall_mm = -1.0\n", "smallest_wall_mm"),
        (OWN + "smallest_wal_mm = 1.0\n", "Did you mean `smallest_wall_mm`"),
        (OWN + "spacing_mm = 100.0\n", "spacing_mm is 100"),
        (OWN + "density_g_cm3 = 1240.0\n", "density_g_cm3"),
        (OWN + "technology = 'magic'\n", "technology"),
        (OWN + "[sources]\nwall = 'me'\n", "sources names `wall`"),
        ("build_volume_mm = [100.0, 100.0, 0.1]\nlayer_mm = 0.1\n", "layer_mm is 0.1"),
        ("build = [", "not valid TOML"),
    ],
)
def test_an_impossible_profile_is_bad_input_and_says_what_is_wrong(
    lab: Path, wrong: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (lab / "broken.toml").write_text(wrong)
    assert run(["printers", "show", "broken"]) == 3
    told = capsys.readouterr().err
    assert "broken.toml" in told
    assert words in told
    assert run(["printers", "show", "mjf"]) == 0, "a broken profile is in the way of no other"


def test_parts_apart_are_nested_in_copies_each_with_its_own_transform() -> None:
    parts = [box("hip", (40, 60, 80)), box("cup", (30, 30, 20), (50, 0, 0))]
    result = prepare(parts, PrintParams(arrange="apart", copies=3), "case")
    [plate] = result.plates
    assert [(each.name, len(each.places)) for each in plate.assemblies] == [("hip", 3), ("cup", 3)]
    low, high = plate.bounds
    assert low[2] == pytest.approx(0)
    assert (low >= -1e-6).all()
    assert (high <= find_printer("generic-fdm").build_volume_mm).all()
    frames = [str(each.fixed) for each in placings(result.plates)]
    assert frames == [f"PRINT ({name} copy {n})" for name in ("hip", "cup") for n in (1, 2, 3)]
    with pytest.raises(ValueError, match="apart"):
        _ = plate.print_from_lps


def test_many_parts_take_several_plates() -> None:
    result = prepare([box()], PrintParams(copies=20), "case")
    assert len(result.plates) > 1
    assert sum(len(a.places) for plate in result.plates for a in plate.assemblies) == 20
    count = len(result.plates)
    assert [plate.metadata["plate"] for plate in result.plates] == [f"{n + 1} of {count}" for n in range(count)]
    assert len({str(each.fixed) for each in placings(result.plates)}) == 20


def test_a_chosen_printer_must_take_the_model_and_a_default_one_need_not() -> None:
    large = [box(extents=(300, 60, 80))]
    [chosen] = prepare(large, PrintParams(printer="generic-fdm"), "case").findings
    assert chosen.level is Level.REFUSE
    assert "handbook" in chosen.source
    [default] = prepare(large, PrintParams(), "case").findings
    assert default.level is Level.WARN
    with pytest.raises(BadInput, match=r"case: bone: is 300\.0 × 60\.0 × 80\.0 mm.*250 × 210 × 210"):
        prepare(large, PrintParams(arrange="apart", copies=2), "case")


def test_a_model_that_fits_when_turned_by_a_quarter_is_turned() -> None:
    result = prepare([box(extents=(205, 240, 80))], PrintParams(printer="generic-fdm"), "case")
    assert result.findings == ()
    assert np.ptp(result.plate.bounds, axis=0) == pytest.approx([240, 205, 80])
    assert np.linalg.det(result.plate.print_from_lps.linear) == pytest.approx(1)


def test_faces_to_spare_and_their_orientation_go_together() -> None:
    for wrong in ({"orientation": "faces"}, {"spare": ("left",)}):
        with pytest.raises(ValueError, match="spare"):
            PrintParams.model_validate(wrong)


def test_the_program_ends_with_4_for_a_part_that_is_too_large(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mesh(tmp_path / "long.ply", box("long", (300, 60, 80)))
    assert run(["print", str(tmp_path / "long.ply"), "-o", str(tmp_path / "x.3mf")]) == 4
    assert "300.0 × 60.0 × 80.0 mm" in capsys.readouterr().err
    assert run(["print", str(tmp_path / "long.ply"), "-o", str(tmp_path / "y.3mf"), "--copies", "2"]) == 3
    assert not (tmp_path / "y.3mf").exists()


def test_the_job_sheet_and_both_models_are_the_same_bytes_again(tmp_path: Path) -> None:
    write_mesh(tmp_path / "hip.ply", box("hip"))
    found = []
    for folder in ("one", "two"):
        target = tmp_path / folder
        words = ["print", tmp_path / "hip.ply", "-o", target / "p.3mf", "--job", target / "j.html", "--stl", target]
        assert run([str(each) for each in words]) == 0
        found.append({path.name: path.read_bytes() for path in target.iterdir()})
    assert set(found[0]) == {"p.3mf", "j.html", "j.json", "hip.stl"}
    assert found[0] == found[1]
    text = found[0]["j.html"].decode()
    assert "<script" not in text
    assert text.count("data:image/png") == 2
    assert "Prusa" in text, "the sources of what is assumed"
