"""Approvals: every later change of any file voids one, taking it back restores it, OpenSSL checks its signature."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from surgplan.case.approval import approve, withdraw
from surgplan.case.log import LOG
from surgplan.case.manifest import MANIFEST, read_manifest, write_manifest
from surgplan.case.signing import read_key
from surgplan.case.standing import standings
from surgplan.case.statement import unapproved
from surgplan.errors import BadInput, FailedCheck, Missing, Refused, SurgplanError, WrongUsage
from surgplan.findings import Finding, Level
from tests.program import files_below
from tests.program import surgplan_here as surgplan

NAME, ROLE = "Dr. A. Meier", "surgeon"
PAGE = "report/index.html"


@pytest.fixture
def case(finished_case: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_case, tmp_path / "case"))


def openssl(*words: object) -> str:
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, text=True).stdout


def make_key(folder: Path) -> Path:
    path = folder / "key.pem"
    path.touch(0o600)
    openssl("genpkey", "-algorithm", "ed25519", "-out", path)
    return path


def hold(case: Path) -> list[bool]:
    return [not each.void for each in standings(case)]


def test_approving_changes_no_byte_of_what_is_approved(case: Path) -> None:
    before = files_below(case)
    statement, _ = approve(case, NAME, ROLE)
    after = files_below(case)
    assert {name for name in before if before[name] != after[name]} == {PAGE, MANIFEST}
    for name, sha256 in statement.files.items():
        assert hashlib.sha256(before[name]).hexdigest() == sha256, name
    assert set(statement.files) == {"case.toml", *read_manifest(case).outputs}  # type: ignore[union-attr]
    assert surgplan("verify", case, "--approved").code == 0


def test_a_change_of_any_file_voids_it_and_taking_it_back_restores_it(case: Path) -> None:
    statement, _ = approve(case, NAME, ROLE)
    for name in [*statement.files, "approval/0001.json"]:
        path = case / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
        assert hold(case) == [False], name
        path.unlink()
        assert hold(case) == [False], name
        path.write_bytes(whole)
    assert hold(case) == [True]


def test_a_manifest_that_tells_something_else_voids_it(case: Path) -> None:
    approve(case, NAME, ROLE)
    manifest = read_manifest(case)
    assert manifest is not None
    stage = manifest.stages["segment"]
    told = Finding("leak", Level.WARN, "something else").as_dict()
    changed = stage.model_copy(update={"findings": [*stage.findings, told]})
    write_manifest(case, manifest.model_copy(update={"stages": {**manifest.stages, "segment": changed}}))
    assert "the stage segment" in standings(case)[0].void


def test_running_and_reporting_again_keeps_it_and_other_parameters_void_it(case: Path, finished_case: Path) -> None:
    approve(case, NAME, ROLE)
    page = (case / PAGE).read_text("utf-8")
    scan = finished_case.parent / "femur" / "case.toml"
    words = ("run", scan, "-o", case)
    assert surgplan(*words).code == 0
    (case / PAGE).unlink()
    assert surgplan(*words).code == 0
    assert (case / PAGE).read_text("utf-8") == page
    assert NAME in page
    assert surgplan("verify", case, "--approved").code == 0
    changed = surgplan(*words, "--set", "surface.tolerance_mm=0.3")
    assert changed.code == 0
    assert f"approval: that of {NAME} no longer holds" in changed.err
    ended = surgplan("verify", case, "--json")
    assert ended.code == 4
    assert [each["holds"] for each in ended.json["approvals"]] == [False]
    assert re.search(r"no</span>.*was changed", (case / PAGE).read_text("utf-8"))
    assert not list((case / "approval").glob("*.3mf")), "the copy for printing goes with the approval"
    withdraw(case, 1, NAME, ROLE, "planned anew")
    approve(case, NAME, ROLE)
    assert hold(case) == [False, True]
    assert surgplan("verify", case, "--approved").code == 0


def test_the_signature_is_checked_by_openssl_and_by_verify(case: Path, tmp_path: Path) -> None:
    key = make_key(tmp_path)
    approve(case, NAME, ROLE, key=read_key(key))
    statement, signature = case / "approval/0001.json", case / "approval/0001.sig"
    public = ("-pubin", "-inkey", case / "approval/0001.pub.pem", "-rawin")
    assert "Successfully" in openssl("pkeyutl", "-verify", *public, "-in", statement, "-sigfile", signature)
    openssl("pkey", "-in", key, "-pubout", "-out", tmp_path / "mine.pem")
    assert surgplan("verify", case, "--key", tmp_path / "mine.pem").code == 0
    other = make_key(tmp_path / "case" / "report")
    openssl("pkey", "-in", other, "-pubout", "-out", tmp_path / "other.pem")
    assert surgplan("verify", case, "--key", tmp_path / "other.pem").code == 4
    signature.write_bytes(bytes(64))
    assert standings(case)[0].void == "its signature is not that of its key"
    signature.unlink()
    assert standings(case)[0].void == "its signature is missing"


def test_a_statement_that_was_forged_with_its_log_is_given_away_by_its_signature(case: Path, tmp_path: Path) -> None:
    approve(case, NAME, ROLE, key=read_key(make_key(tmp_path)))
    statement = case / "approval/0001.json"
    old = hashlib.sha256(statement.read_bytes()).hexdigest()
    statement.write_text(statement.read_text("utf-8").replace(NAME, "Dr. B. Schulz"), "utf-8")
    lines = [json.loads(line) for line in (case / LOG).read_text("utf-8").splitlines()]
    lines[-1]["details"]["statement_sha256"] = hashlib.sha256(statement.read_bytes()).hexdigest()
    assert old not in str(lines[-1])
    del lines[-1]["hash"]
    text = json.dumps(lines[-1], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    lines[-1]["hash"] = hashlib.sha256(text.encode()).hexdigest()
    (case / LOG).write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    assert standings(case)[0].void == "its signature is not that of its key"


def test_a_log_that_was_changed_voids_it(case: Path) -> None:
    approve(case, NAME, ROLE)
    log = case / LOG
    log.write_text(log.read_text("utf-8").replace('"role":"surgeon"', '"role":"janitor"'), "utf-8")
    assert "the log was changed" in standings(case)[0].void
    with pytest.raises(FailedCheck):
        approve(case, NAME, ROLE)


def test_the_copy_for_printing_names_the_approval_and_has_the_same_meshes(case: Path) -> None:
    approve(case, 'Dr. <A> & "B"', ROLE)
    (copy,) = (case / "approval").glob("*.3mf")
    original = case / "print" / copy.name
    with zipfile.ZipFile(copy) as stamped, zipfile.ZipFile(original) as plain:
        model, old = (each.read("3D/3dmodel.model").decode() for each in (stamped, plain))
    assert 'name="surgplan:approved-1">Dr. &lt;A&gt; &amp; "B", surgeon' in model
    assert hashlib.sha256(original.read_bytes()).hexdigest() in model
    assert re.sub(r'<metadata name="surgplan:approved.*\n', "", model) == old
    copy.write_bytes(original.read_bytes())
    ended = surgplan("verify", case)
    assert ended.code == 4
    assert "not the model that was approved" in ended.err


def test_lib3mf_opens_the_copy(case: Path) -> None:
    lib3mf = pytest.importorskip("lib3mf")
    approve(case, NAME, ROLE)
    (copy,) = (case / "approval").glob("*.3mf")
    model = lib3mf.get_wrapper().CreateModel()
    model.QueryReader("3mf").ReadFromFile(str(copy))
    told = model.GetMetaDataGroup().GetMetaDataByKey("https://surgplan.org/3mf/2026", "approved-1")
    assert told.GetValue().startswith(f"{NAME}, {ROLE}, 20")


def test_an_approval_that_was_taken_back_no_longer_counts(case: Path) -> None:
    approve(case, NAME, ROLE)
    withdraw(case, 1, "Dr. B. Schulz", "radiologist", "wrong side planned")
    assert standings(case)[0].void == "withdrawn by Dr. B. Schulz: wrong side planned"
    assert "wrong side planned" in (case / PAGE).read_text("utf-8")
    assert surgplan("verify", case).code == 0
    assert surgplan("verify", case, "--approved").code == 4
    for number in (1, 2):
        with pytest.raises(WrongUsage):
            withdraw(case, number, NAME, ROLE, "again")


def test_a_rejected_case_needs_a_reason_which_is_told_everywhere(case: Path) -> None:
    with pytest.raises(WrongUsage, match="the case is ready"):
        approve(case, NAME, ROLE, "just so")
    manifest = read_manifest(case)
    assert manifest is not None
    stage = manifest.stages["surface"]
    findings = [*stage.findings, Finding("certificate", Level.REFUSE, "too far").as_dict()]
    stages = {**manifest.stages, "surface": stage.model_copy(update={"findings": findings})}
    write_manifest(case, manifest.model_copy(update={"stages": stages}))
    with pytest.raises(Refused, match="rejected by certificate"):
        approve(case, NAME, ROLE)
    approve(case, NAME, ROLE, "the notch lies outside of the <cut>")
    told = standings(case)[0]
    assert (told.verdict, told.override) == ("rejected", "the notch lies outside of the <cut>")
    assert "although rejected:</b> <bdi>the notch lies outside of the &lt;cut&gt;" in (case / PAGE).read_text("utf-8")
    assert "the notch" in surgplan("log", case).out


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (lambda case: (case / "print" / "femur.stl").write_bytes(b""), FailedCheck),
        (
            lambda case: (case / "case.toml").write_text((case / "case.toml").read_text() + "\n[surface]\n"),
            SurgplanError,
        ),
        (lambda case: (case / MANIFEST).unlink(), Missing),
        (lambda case: (case / MANIFEST).write_text("{}"), BadInput),
    ],
    ids=["a changed file", "a changed case file", "no manifest", "a broken manifest"],
)
def test_what_is_not_whole_is_not_approved(case: Path, harm, error: type[SurgplanError]) -> None:
    harm(case)
    with pytest.raises(error):
        approve(case, NAME, ROLE)
    assert not (case / "approval").exists()


def test_a_case_file_that_asks_for_something_else_is_not_approved(case: Path) -> None:
    text = (case / "case.toml").read_text("utf-8")
    changed = re.sub(r"tolerance_mm = [\d.]+", "tolerance_mm = 0.31", text)
    assert changed != text
    (case / "case.toml").write_text(changed, "utf-8")
    with pytest.raises(FailedCheck, match="other parameters of the stage surface"):
        approve(case, NAME, ROLE)


def test_a_case_of_an_earlier_version_that_knew_fewer_parameters_is_approved(case: Path) -> None:
    manifest = read_manifest(case)
    assert manifest is not None
    stage = manifest.stages["surface"]
    fewer = {name: value for name, value in stage.parameters.items() if name != "tolerance_mm"}
    stages = {**manifest.stages, "surface": stage.model_copy(update={"parameters": fewer})}
    write_manifest(case, manifest.model_copy(update={"stages": stages}))
    approve(case, NAME, ROLE)
    assert hold(case) == [True]


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 10_000, "\u202eabc", " a"])
def test_names_that_cannot_be_told_are_refused(case: Path, name: str) -> None:
    with pytest.raises(WrongUsage):
        approve(case, name, ROLE)


def test_keys_that_are_none_are_refused(tmp_path: Path) -> None:
    key = make_key(tmp_path)
    key.chmod(0o644)
    with pytest.raises(Refused, match="chmod 600"):
        read_key(key)
    key.chmod(0o600)
    locked = tmp_path / "locked.pem"
    openssl("pkey", "-in", key, "-aes256", "-passout", "pass:a long password", "-out", locked)
    locked.chmod(0o600)
    with pytest.raises(WrongUsage, match="SURGPLAN_KEY_PASSWORD"):
        read_key(locked)
    openssl("genpkey", "-algorithm", "x25519", "-out", key)
    with pytest.raises(BadInput, match="of another kind"):
        read_key(key)
    key.write_text("nonsense")
    with pytest.raises(BadInput):
        read_key(key)
    with pytest.raises(Missing):
        read_key(tmp_path / "none.pem")


def test_an_encrypted_key_signs_with_its_password(case: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked.pem"
    openssl("pkey", "-in", make_key(tmp_path), "-aes256", "-passout", "pass:a long password", "-out", locked)
    locked.chmod(0o600)
    words = ("approve", case, "--by", NAME, "--role", ROLE, "--key", locked)
    assert surgplan(*words, SURGPLAN_KEY_PASSWORD="wrong one").code == 2
    ended = surgplan(*words, "--json", SURGPLAN_KEY_PASSWORD="a long password")
    assert ended.code == 0
    assert ended.json["approval"]["key"]
    assert hold(case) == [True]


def test_without_its_approvals_the_manifest_is_that_of_the_run(case: Path, finished_case: Path) -> None:
    before = read_manifest(finished_case)
    approve(case, NAME, ROLE)
    after = read_manifest(case)
    assert before is not None
    assert after is not None
    assert after.outputs != before.outputs
    assert unapproved(case, after).outputs == before.outputs
