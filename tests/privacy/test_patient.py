"""A lab finds its patient's case again; nobody without the key does."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from surgplan.errors import Missing, Refused, WrongUsage
from surgplan.privacy.patient import belongs, key_path, lab_key, patient_digest, patient_of
from tests.formats.slices import slice_of, write
from tests.privacy.planted import PLANTED, planted_scan
from tests.program import surgplan

KEY = b"a key of the lab"
SCAN = "ab" * 32


def test_the_digest_is_what_the_standards_say() -> None:
    salt = hmac.new(KEY, SCAN.encode(), hashlib.sha256).digest()
    expected = hashlib.scrypt(b"AB-12", salt=salt, n=2**15, r=8, p=1, maxmem=64 << 20, dklen=32).hex()
    assert patient_digest(KEY, SCAN, " ab-12 ").digest == expected


def test_only_the_right_patient_key_and_scan_match() -> None:
    stored = patient_digest(KEY, SCAN, "AB-12")
    assert belongs(stored, KEY, SCAN, "ab-12")
    assert not belongs(stored, KEY, SCAN, "AB-13")
    assert not belongs(stored, b"the key of another", SCAN, "AB-12")
    assert patient_digest(KEY, "cd" * 32, "AB-12").digest != stored.digest, "two scans of one patient are not linked"


def test_the_key_file_is_made_once_and_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SURGPLAN_SALT", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(Missing, match="there is no key"):
        lab_key()
    made = lab_key(create=True)
    assert key_path().stat().st_mode & 0o777 == 0o600
    assert lab_key() == made == lab_key(create=True)
    assert len(made) >= 32
    key_path().chmod(0o644)
    with pytest.raises(Refused, match="mode 0644"):
        lab_key()
    key_path().chmod(0o600)
    monkeypatch.setenv("SURGPLAN_SALT", "too short")
    with pytest.raises(WrongUsage, match="SURGPLAN_SALT: holds a key of 9 characters"):
        lab_key()


def test_without_a_place_for_a_key_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SURGPLAN_SALT", raising=False)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", os.fspath(tmp_path / "file"))
    with pytest.raises(Missing, match="cannot be"):
        lab_key(create=True)


def test_slices_of_two_patients_belong_to_nobody(tmp_path: Path) -> None:
    files = [
        write(tmp_path / f"{number}.dcm", slice_of(np.zeros((4, 4), np.int16), PatientID=patient))
        for number, patient in enumerate(("A1", "A1", "B2"))
    ]
    assert patient_of(files) is None
    assert patient_of(files[:2]) == "A1"


def test_a_lab_finds_the_case_of_a_patient(tmp_path: Path) -> None:
    scan = planted_scan(tmp_path / "scan")
    case = tmp_path / "case"
    assert surgplan("run", scan, "-r", "ct-bone", "-o", case, "--set", "report.pictures=false").code in (0, 4)
    patient = json.loads((case / "manifest.json").read_text())["patient"]
    assert PLANTED["PatientID"] not in json.dumps(patient)
    assert surgplan("match", case, "--against", scan).out.split() == [str(case)]

    def asked(patient: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"SURGPLAN_SALT": "the key of the tests"} | variables
        words = [sys.executable, "-m", "surgplan", "match", str(case), "--patient-id", "-"]
        return subprocess.run(words, input=patient, capture_output=True, text=True, env=environment, check=False)

    assert asked(f"{PLANTED['PatientID']}\n").stdout.split() == [str(case)]
    wrong = asked("QX-8841-78\n")
    assert (wrong.returncode, wrong.stdout) == (4, "")
    other = asked(PLANTED["PatientID"], SURGPLAN_SALT="the key of somebody else")
    assert other.returncode == 4
    assert "another key" in other.stderr
    assert surgplan("match", case, "--patient-id", PLANTED["PatientID"]).code == 2
    # the digest of a run that changes nothing stays, and stage keys know nothing of it
    before = (case / "manifest.json").read_bytes()
    assert surgplan("run", scan, "-r", "ct-bone", "-o", case, "--set", "report.pictures=false").out == ""
    assert (case / "manifest.json").read_bytes() == before
