"""What of a case is shared, and whether it may be: chosen by name, searched for private data, without a face."""

from __future__ import annotations

import hashlib
import posixpath
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from surgplan.case.casefile import CasePlan, plan_case
from surgplan.case.faceless import faceless_copy
from surgplan.case.lock import locked
from surgplan.case.log import append, operator
from surgplan.case.manifest import MANIFEST, Manifest, read_manifest
from surgplan.case.matching import headers_of
from surgplan.case.pdf import PDF, is_current
from surgplan.case.plan_file import CASE_FILE
from surgplan.case.reproduce import refuse_other_scan
from surgplan.case.share_readme import readme
from surgplan.case.share_zip import Content, Encryption, write_archive
from surgplan.case.source_note import remembered
from surgplan.case.standing import Standing, standings
from surgplan.case.statement import FOLDER, PAGE
from surgplan.case.verify import verify_case
from surgplan.case.workshop import LABELS, VOLUME, Workshop, stages_of
from surgplan.errors import BadInput, FailedCheck, Missing
from surgplan.findings import REJECTED, Finding, Level
from surgplan.formats.atomic import Written, sha256_of
from surgplan.formats.mrml import write_scene
from surgplan.model.labels import file_stem
from surgplan.privacy.faces import SOURCE, Faces, find_faces
from surgplan.privacy.headers import WHO, Header, Kind, Secret, read_secrets, words_of
from surgplan.privacy.leaks import Searched, search_contents
from surgplan.report.approvals import EMPTY, END, START

GROUPS = {
    "report": ("report/index.html",),
    "models": ("print/",),
    "navigation": ("navigation/",),
    "surfaces": ("surfaces/",),
    "scan": (VOLUME, LABELS),
    "record": (MANIFEST, CASE_FILE),
    "approval": (f"{FOLDER}/",),
}
"""What can be named: which files of the case it means. The log, and what belongs to this machine, are in none."""
USUAL = ("report", "models", "navigation", "approval")
SCENE, SUMS = "navigation/scene.mrml", "navigation/SHA256SUMS"
REMADE_PAGE = (
    "<p>This page was made anew for sharing, without what may show a face. Approvals are those of the case.</p>"
)


@dataclass(frozen=True)
class Wish:
    """What is wanted: groups, whether a face may be seen, and what is known of the scan's headers.

    `against` is the scan; without it, the place that was noted when the case was run. `unchecked` says why it is shared
    although no header can be read.
    """

    groups: tuple[str, ...] = USUAL
    with_face: bool = False
    against: Path | None = None
    unchecked: str = ""


@dataclass(frozen=True)
class Shared:
    """What was written, or `None` where it was refused; the members' names; what was searched, and what was found."""

    written: Written | None
    names: tuple[str, ...]
    searched: Searched | None
    findings: tuple[Finding, ...]


def share_case(case: Path, target: Path, wish: Wish, encryption: Encryption) -> Shared:
    """Write the archive, unless something private was found in it; the log tells of it.

    Raises
    ------
    Missing
        The case was not run to its end, or the scan is not where it was.
    FailedCheck
        A file is not the one that the manifest names.
    BadInput
        The scan is not the one from which the case was made.
    Refused
        Nothing is left without the face.
    """
    plan, manifest = _finished(case)
    header, told = _header(case, manifest, wish)
    with locked(case), tempfile.TemporaryDirectory(prefix="surgplan-share-") as scratch:
        faces = Faces() if wish.with_face else _faces(Workshop(plan, case, manifest))
        found = list(told)
        source, shown = case, manifest
        if faces.why:
            source = Path(scratch)
            shown = faceless_copy(case, plan, manifest, faces, source)
            found.append(_face_told(faces))
        approvals = standings(case)
        members = _members(source, case, shown, wish, faces, approvals)
        text = readme(manifest, tuple(members), faces, approvals)
        members = {"README.txt": text.encode(), **members}
        searched = search_contents(members, _without_approvers(header, approvals)) if header else None
        found += searched.findings if searched else ()
        if manifest.verdict == REJECTED:
            found.append(_rejected())
        written = None
        if not any(finding.level is Level.REFUSE for finding in found):
            written = write_archive(target, _in_one_folder(members, file_stem(manifest.case)), encryption)
            _log(case, wish, encryption, written, bool(faces.why))
    return Shared(written, tuple(members), searched, tuple(found))


def _finished(case: Path) -> tuple[CasePlan, Manifest]:
    manifest = read_manifest(case)
    if manifest is None:
        raise Missing(case / MANIFEST, "there is no manifest", advice="Name the folder of a case")
    plan = plan_case(case / CASE_FILE)
    absent = [stage.name for stage in stages_of(plan) if stage.name not in manifest.stages]
    if absent:
        raise Missing(case, f"the stage {absent[0]} was never done", advice="Run the case first: surgplan run")
    _, changed = verify_case(case)
    if changed:
        advice = "Run the case again: surgplan run"
        raise FailedCheck(case / changed[0].subject, changed[0].measured, changed[0].limit, advice)
    return plan, manifest


def _header(case: Path, manifest: Manifest, wish: Wish) -> tuple[Header | None, tuple[Finding, ...]]:
    """What identifies the patient: of the scan's headers, and the path of the scan itself."""
    noted = remembered(case, "source")
    scan = wish.against or (Path(noted) if noted else None)
    if scan is None or not scan.exists():
        if wish.unchecked:
            measured = f"not searched for private data: {wish.unchecked}"
            return None, (Finding("privacy", Level.WARN, measured, "a search against the scan's headers"),)
        advice = 'Pass it: --against SCAN; or share it all the same, which is recorded: --unchecked "REASON"'
        raise Missing(case, "its scan is not where it was: nothing tells what is private", advice=advice)
    refuse_other_scan(scan, manifest)  # headers of somebody else would clear this patient of everything
    place = Secret("path of the scan", str(scan.resolve()), Kind.TEXT)
    with headers_of(scan) as files:
        try:
            header = read_secrets(files)
        except BadInput:
            told = Finding("privacy", Level.NOTE, "the scan has no DICOM headers: only its path was looked for")
            return Header((place,), frozenset(), 0, 0), (told,)
    return Header((*header.secrets, place), header.technical, header.files, header.short), ()


def _without_approvers(header: Header, approvals: tuple[Standing, ...]) -> Header:
    """Approvers want to be named, and often stand in the headers as physicians; a patient's name always counts."""
    named = {word.casefold() for each in approvals for word in words_of(each.by)}

    def is_theirs(secret: Secret) -> bool:
        words = {word.casefold() for word in words_of(secret.value)}
        return secret.kind is Kind.NAME and secret.where not in WHO and words <= named

    return replace(header, secrets=tuple(each for each in header.secrets if not is_theirs(each)))


def _faces(shop: Workshop) -> Faces:
    structures = shop.manifest.stages["segment"].parameters.get("structures", ())
    methods = {str(each.get("name")): str(each.get("method")) for each in structures}
    return find_faces(shop.volume, shop.labels, methods)


def _members(
    source: Path, case: Path, manifest: Manifest, wish: Wish, faces: Faces, approvals: tuple[Standing, ...]
) -> dict[str, Content]:
    """Path in the case → file or bytes, sorted; what sharing does not change are the case's own bytes."""
    wanted = tuple(prefix for group in wish.groups for prefix in GROUPS[group])
    names = sorted(name for name in {*manifest.outputs, CASE_FILE} if name.startswith(wanted))
    members: dict[str, Content] = {name: source / name if name != CASE_FILE else case / name for name in names}
    if "report" in wish.groups and not faces.why and is_current(case):
        members[PDF] = case / PDF
    for path in sorted((case / FOLDER).glob("*")) if "approval" in wish.groups else ():
        if not (faces.skins and path.suffix == ".3mf"):
            members[f"{FOLDER}/{path.name}"] = path
    if faces.why and approvals and PAGE in members:
        page = (source / PAGE).read_text("utf-8").replace(EMPTY, START + REMADE_PAGE + END)
        members[PAGE] = page.encode()
    if "record" in wish.groups:
        alone = manifest.model_copy(update={"patient": None, "times": {}})
        members[MANIFEST] = (alone.model_dump_json(indent=1) + "\n").encode()
    if SCENE in members:
        members[SCENE] = _scene(case, manifest, members)
        members.pop(SUMS, None)
    return members


def _scene(case: Path, manifest: Manifest, members: Mapping[str, Content]) -> bytes:
    """The scene of those files that are shared: 3D Slicer complains of any other."""
    from surgplan.case.bundle import scene_items

    shop = Workshop(plan_case(case / CASE_FILE), case, manifest)
    items = [*shop.scene_items(), *scene_items(shop.navigation)]
    kept = [each for each in items if posixpath.normpath(f"navigation/{each.file}") in members]
    with tempfile.TemporaryDirectory() as scratch:
        for each in kept:
            path = Path(scratch) / "navigation" / each.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.resolve().parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return write_scene(Path(scratch) / SCENE, kept).path.read_bytes()


def _in_one_folder(members: Mapping[str, Content], top: str) -> dict[str, Content]:
    """The same below one folder, with their checksums, sorted."""
    rows = [f"{_sha256(content)}  {name}\n" for name, content in members.items()]
    whole = {**members, "SHA256SUMS": "".join(rows).encode()}
    return {f"{top}/{name}": whole[name] for name in sorted(whole)}


def _sha256(content: Content) -> str:
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else sha256_of(content)


def _face_told(faces: Faces) -> Finding:
    told = f"what may show a face was left out, because {faces.why}: " + ", ".join(
        ["the scan away from the structures", *faces.skins]
    )
    advice = "Pass --with-face where whoever gets it may see the face"
    return Finding("face", Level.NOTE, told, "no recognizable face", advice, SOURCE)


def _rejected() -> Finding:
    advice = "Tell whoever gets it: its README does"
    return Finding("verdict", Level.WARN, "the case is rejected", "a case that is ready", advice)


def _log(case: Path, wish: Wish, encryption: Encryption, written: Written, faceless: bool) -> None:
    told = {"groups": list(wish.groups), "sha256": written.sha256, "encryption": encryption.kind}
    append(case, "share", {**told, "without_face": faceless, "unchecked": wish.unchecked}, operator())
