"""Proof of origin: what we sign is accepted, what was changed since is refused and named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import test_trust
from clip_fixtures import MODELS, Ffmpeg
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from stylesync_engine import dubbing
from stylesync_engine.assembling.proof import delivering
from stylesync_engine.commands.app import main
from stylesync_engine.media import VideoWriter, probe_video, read_frames
from stylesync_engine.origin import signing, test_certificate, verification
from stylesync_engine.origin.consent import check_consent
from stylesync_engine.origin.picture_hashes import describe_changes, sidecar_of
from stylesync_engine.origin.signers import choose_signer
from stylesync_engine.plan.identity import identify_files
from stylesync_engine.plan.plan import Facts, Plan
from stylesync_engine.request import (
    DubOptions,
    DubRequest,
    FrameRange,
    MediaError,
    RequestError,
)

FRAMES = 6
OUTPUTS = {
    "dub.mov": "prores4444", "dub.mp4": "h264", "dub.mkv": "ffv1", "dub": "png",
    "shot.%04d.png": "png", "exr": "exr", "shot.%04d.exr": "exr",
}  # fmt: skip


@pytest.fixture(autouse=True)
def clean_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No studio and no certificates but those that a test makes."""
    for name in ("CONSENT", "CERTIFICATE", "KEY", "STUDIO"):
        monkeypatch.delenv(f"STYLESYNC_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture(scope="module")
def source(ffmpeg: Ffmpeg) -> Path:
    return ffmpeg(
        "source.mov", "-f", "lavfi", "-i", "testsrc=s=64x48:r=25", "-f", "lavfi", "-i", "sine",
        "-frames:v", str(FRAMES), "-t", "0.24", "-timecode", "01:00:00:00",
        "-c:v", "prores_ks", "-c:a", "pcm_s16le",
    )  # fmt: skip


Deliver = Callable[..., Path]


@pytest.fixture
def deliver(source: Path, tmp_path: Path) -> Deliver:
    """The source's own frames as if they had been dubbed."""

    def write(name: str, credentials: str = "test", **more: Any) -> Path:
        output = tmp_path / "out" / name
        mark = more.pop("mark", "none")
        options: Any = {"codec": OUTPUTS[name], "credentials": credentials, "mark": mark}
        request = DubRequest(
            str(source), str(source), str(output), options=DubOptions(**options), **more
        )
        none, before = np.zeros((0, 1), np.float32), output.exists()
        plan = Plan(
            request=request, frames=FrameRange(0, FRAMES), fingerprint="f" * 64,
            shown=np.arange(FRAMES), matrices=none, before=none, after=none, motion=none,
            references=np.zeros((0, 2), np.int64), shares=none, lacking=none,
            hidden=np.zeros((0, 16, 32), np.uint8), mesh=none,
            facts=Facts("starter", "?", {"files": identify_files(request)}),
        )  # fmt: skip
        with (
            delivering([plan], [check_consent(request)], choose_signer(request)) as delivery,
            VideoWriter(delivery.place, probe_video(source), OUTPUTS[name]) as writer,  # type: ignore[arg-type]
        ):
            for frame in read_frames(source):
                assert output.exists() == before
                writer.write(frame)
        return output

    return write


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine vouches for its own test certificate."""
    monkeypatch.setenv("STYLESYNC_CERTIFICATE", "test")


def flip(path: Path, at: float = 0.6) -> None:
    """Change one bit of what a file shows."""
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", OUTPUTS)
def test_our_files_are_accepted(name: str, deliver: Deliver, trust: None, tmp_path: Path) -> None:
    output = deliver(name, person="Ada")
    proof = verification.verify(output)
    assert proof.kind == ("c2pa" if output.suffix in (".mov", ".mp4") else "sidecar")
    assert proof.signed_by == signing.TEST_NAME
    assert proof.warnings == (verification.TEST_WARNING,)
    assert proof.statement["person"] == "Ada"
    assert proof.statement["frames"] == {"total": 6, "changed": 6, "passed_through": []}
    assert str(tmp_path) not in json.dumps(proof.to_dict()["statement"])
    hidden = [path.name for path in output.parent.iterdir() if path.name.startswith(".")]
    assert hidden == []


@pytest.mark.parametrize("name", ["dub", "exr", "shot.%04d.png", "dub.mov"])
def test_a_folder_may_be_a_disk_of_its_own(
    name: str, deliver: Deliver, trust: None, tmp_path: Path
) -> None:
    folder = tmp_path / "out" / (name if "." not in name else "")
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs to mount a disk of memory")
    try:
        for _ in range(2):
            assert verification.verify(deliver(name)).signed_by == signing.TEST_NAME
            assert not [path for path in folder.rglob("*") if path.name.startswith(".")]
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_signing_keeps_pictures_sound_and_time_code(deliver: Deliver, source: Path) -> None:
    plain = deliver("dub.mov", "off")
    untouched = plain.read_bytes()
    want, facts = list(read_frames(plain)), probe_video(plain)
    shutil.rmtree(plain.parent)
    signed = deliver("dub.mov", mark="metadata")
    assert replace(probe_video(signed), path=facts.path) == facts
    assert facts.timecode == "01:00:00:00"
    assert facts.rate == Fraction(25)
    for before, after in zip(want, read_frames(signed), strict=True):
        assert all(
            (a == b).all() for a, b in zip(before.image.planes, after.image.planes, strict=True)
        )
    shutil.rmtree(signed.parent)
    assert deliver("dub.mov", "off").read_bytes() == untouched


def test_a_changed_frame_of_a_movie_is_named(deliver: Deliver, trust: None) -> None:
    output = deliver("dub.mov")
    whole = output.read_bytes()
    want = [frame.image.planes[0].copy() for frame in read_frames(output)]
    start = whole.index(b"mdat")
    flipped = bytearray(whole)
    flipped[start + (len(whole) - start) * 2 // 5] ^= 0x10
    output.write_bytes(flipped)
    found = [frame.image.planes[0] for frame in read_frames(output)]
    [number] = [i for i in range(FRAMES) if (want[i] != found[i]).any()]
    with pytest.raises(MediaError, match=rf"not what was signed: frame {number} was changed"):
        verification.verify(output)


def test_a_changed_frame_of_ffv1_is_named(
    deliver: Deliver, trust: None, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    output = deliver("dub.mkv")
    like = probe_video(output)
    frames = list(read_frames(output))
    frames[4].image.planes[0][10, 10] ^= 1
    with VideoWriter(tmp_path / "changed.mkv", like, "ffv1") as writer:
        for frame in frames:
            writer.write(frame)
    shutil.copy(tmp_path / "changed.mkv", output)
    with pytest.raises(MediaError, match="frame 4 was changed; get"):
        verification.verify(output)
    shorter = ffmpeg("shorter.mkv", "-i", output, "-frames:v", "5", "-c", "copy")
    shutil.copy(shorter, output)
    with pytest.raises(MediaError, match="frame 4 was changed and 1 of 6 frames are missing"):
        verification.verify(output)


@pytest.mark.parametrize("name", ["dub", "shot.%04d.png", "shot.%04d.exr"])
def test_a_changed_image_is_named(name: str, deliver: Deliver, trust: None) -> None:
    output = deliver(name)
    folder = output if name == "dub" else output.parent
    images = sorted(folder.glob("*.*[gr]"))
    whole = images[3].read_bytes()
    flip(images[3])
    with pytest.raises(MediaError, match=rf"file {images[3].name} was changed"):
        verification.verify(output)
    images[3].unlink()
    with pytest.raises(MediaError, match=rf"file {images[3].name} is missing"):
        verification.verify(output)
    images[3].write_bytes(whole)
    added = images[0].with_name(images[0].name.replace("0000", "0900"))
    shutil.copy(images[0], added)
    with pytest.raises(MediaError, match=rf"file {added.name} was added"):
        verification.verify(output)
    added.unlink()
    assert verification.verify(output).kind == "sidecar"
    for other in (
        images[0].with_name(images[0].name.replace("0000", "00000007")),
        images[0].with_name(images[0].name.replace("0000", "0901").upper()),
        folder / ("sound.2.wav" if name == "dub" else "shot.2.wav"),
        *([folder / ".hidden", folder / "more" / "x.png"] if name == "dub" else []),
    ):
        other.parent.mkdir(exist_ok=True)
        shutil.copy(images[0], other)
        with pytest.raises(MediaError, match="was added"):
            verification.verify(output)
        other.unlink()


def test_changed_sound_is_told_apart(deliver: Deliver, trust: None, ffmpeg: Ffmpeg) -> None:
    output = deliver("dub.mkv")
    other = ffmpeg(
        "louder.mkv", "-i", output, "-f", "lavfi", "-i", "sine=f=99:d=0.2", "-c:v", "copy"
    )
    shutil.copy(other, output)
    with pytest.raises(MediaError, match="its sound or its container was changed, the pictures"):
        verification.verify(output)


def test_stripped_credentials_are_noticed(deliver: Deliver, trust: None, ffmpeg: Ffmpeg) -> None:
    stripped = ffmpeg("stripped.mov", "-i", deliver("dub.mov"), "-c", "copy")
    with pytest.raises(MediaError, match="never signed, or they were stripped"):
        verification.verify(stripped)
    output = deliver("dub.mkv")
    sidecar_of(output).unlink()
    with pytest.raises(MediaError, match="the proof was left behind"):
        verification.verify(output)


@pytest.mark.parametrize("name", ["dub.mov", "dub.mkv"])
def test_an_unknown_signer_is_refused_until_somebody_vouches(
    name: str, deliver: Deliver, tmp_path: Path
) -> None:
    output = deliver(name)
    with pytest.raises(MediaError, match=rf"but by '{signing.TEST_NAME}', whom nobody here"):
        verification.verify(output)
    chain = tmp_path / "data" / "stylesync" / "test-certificate" / "chain.pem"
    assert verification.verify(output, [chain]).signed_by == signing.TEST_NAME
    authority = tmp_path / "authority.pem"
    authority.write_bytes(signing.read_chain(chain)[1].public_bytes(serialization.Encoding.PEM))
    assert verification.verify(output, [authority]).signed_by == signing.TEST_NAME
    other = tmp_path / "other.pem"
    other.write_text(test_certificate.make_test_signer().certificates)
    with pytest.raises(MediaError, match="nobody here"):
        verification.verify(output, [other])


def test_a_sidecar_cannot_be_rewritten(deliver: Deliver, trust: None) -> None:
    output = deliver("dub.mkv", person="Ada")
    beside = sidecar_of(output)
    data = json.loads(beside.read_text())
    data["statement"]["person"] = "Eve"
    beside.write_text(json.dumps(data))
    with pytest.raises(MediaError, match="changed after it was signed"):
        verification.verify(output)
    forged = test_certificate.make_test_signer()
    data["signature"]["certificates"] = forged.certificates
    beside.write_text(json.dumps(data))
    with pytest.raises(MediaError, match="changed after it was signed"):
        verification.verify(output)
    text = json.dumps(data)
    beside.write_text(text.replace('{"statement"', '{"statement": {"person": "Eve"}, "statement"'))
    with pytest.raises(MediaError, match="damaged or no sidecar"):
        verification.verify(output)
    for text in ("", "{}", "[]", '{"statement": 1, "signature": {}}', "[" * 100_000):
        beside.write_text(text)
        with pytest.raises(MediaError, match="damaged or no sidecar"):
            verification.verify(output)


def test_credentials_of_others_are_not_ours(deliver: Deliver, trust: None, tmp_path: Path) -> None:
    import c2pa

    signer = test_certificate.test_signer()
    plain = deliver("dub.mov", "off")
    other = tmp_path / "other.mov"
    with c2pa.Signer.from_callback(
        signer.sign, c2pa.C2paSigningAlg.ES256, signer.certificates
    ) as own:
        actions = {"actions": [{"action": "c2pa.created", "digitalSourceType": "http://x/y"}]}
        builder = c2pa.Builder({"assertions": [{"label": "c2pa.actions.v2", "data": actions}]})
        builder.sign_file(str(plain), str(other), own)
    with pytest.raises(MediaError, match="not StyleSync's"):
        verification.verify(other)


def write_studio(tmp_path: Path, signer: signing.Signer) -> dict[str, str]:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_text(signer.certificates)
    key.write_bytes(
        signer.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    key.chmod(0o600)
    return {"STYLESYNC_CERTIFICATE": str(chain), "STYLESYNC_KEY": str(key)}


@pytest.mark.parametrize("name", ["dub.mov", "dub.mkv"])
def test_an_authority_vouches_for_as_many_below_it_as_it_may(
    name: str, deliver: Deliver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = signing.Signer((test_trust.OWN, test_trust.MIDDLE), test_trust.KEYS["own"])
    with monkeypatch.context() as studio:
        for variable, value in write_studio(tmp_path, signer).items():
            studio.setenv(variable, value)
        output = deliver(name, "auto")
    root, strict = tmp_path / "root.pem", tmp_path / "strict.pem"
    root.write_bytes(test_trust.ROOT.public_bytes(serialization.Encoding.PEM))
    no_more = test_trust.issue("root", "root", path_length=0)
    strict.write_bytes(no_more.public_bytes(serialization.Encoding.PEM))
    assert verification.verify(output, [root]).signed_by == "own"
    with pytest.raises(MediaError, match="by 'own', whom nobody here"):
        verification.verify(output, [strict])


@pytest.mark.parametrize("kind", ["es256", "ed25519", "ps256"])
@pytest.mark.parametrize("name", ["dub.mov", "dub.mkv"])
def test_a_users_own_certificate_signs_without_being_asked(
    kind: str, name: str, deliver: Deliver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_signer(kind)
    for variable, value in write_studio(tmp_path, made).items():
        monkeypatch.setenv(variable, value)
    assert made.algorithm == kind
    proof = verification.verify(deliver(name, "auto"))
    assert (proof.signed_by, proof.warnings) == ("Studio", ())
    assert deliver(name, "off").exists()
    assert not sidecar_of(deliver(name, "off")).exists()


def make_signer(kind: str) -> signing.Signer:
    """One whose certificate an authority of the test's issued for a key of this kind."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    base = test_certificate.make_test_signer()
    if kind == "es256":
        key: signing.PrivateKey = base.key
    elif kind == "ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    else:
        key = rsa.generate_private_key(65537, 2048)
    authority = ec.generate_private_key(ec.SECP256R1())
    names = [
        x509.Name([
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Studio"),
            x509.NameAttribute(NameOID.COMMON_NAME, text),
        ])
        for text in ("Studio authority", "Studio")
    ]  # fmt: skip
    built = []
    for old, subject, public in (
        (base.chain[1], names[0], authority.public_key()),
        (base.chain[0], names[1], key.public_key()),
    ):
        builder = x509.CertificateBuilder(
            subject_name=subject, issuer_name=names[0], public_key=public,
            serial_number=x509.random_serial_number(),
            not_valid_before=old.not_valid_before_utc, not_valid_after=old.not_valid_after_utc,
        )  # fmt: skip
        for extension in old.extensions:
            if not isinstance(
                extension.value, (x509.AuthorityKeyIdentifier, x509.SubjectKeyIdentifier)
            ):
                builder = builder.add_extension(extension.value, extension.critical)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False
        )
        built.append(builder.sign(authority, hashes.SHA256()))
    return signing.Signer((built[1], built[0]), key)


def test_wrong_certificates_are_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = DubRequest("none.mov", "none.wav", str(tmp_path / "dub.mov"))
    places = write_studio(tmp_path, test_certificate.make_test_signer())
    (tmp_path / "other").mkdir()
    other = write_studio(tmp_path / "other", test_certificate.make_test_signer())
    for certificate, key, words in (
        (places["STYLESYNC_CERTIFICATE"], "", "without its key"),
        (places["STYLESYNC_CERTIFICATE"], other["STYLESYNC_KEY"], "belong together"),
        (places["STYLESYNC_KEY"], places["STYLESYNC_KEY"], "cannot be read"),
        ("nowhere.pem", places["STYLESYNC_KEY"], "cannot be read"),
        (places["STYLESYNC_CERTIFICATE"], "nowhere.pem", "cannot be used"),
        (places["STYLESYNC_CERTIFICATE"], places["STYLESYNC_CERTIFICATE"], "cannot be used"),
    ):
        monkeypatch.setenv("STYLESYNC_CERTIFICATE", certificate)
        monkeypatch.setenv("STYLESYNC_KEY", key)
        with pytest.raises(RequestError, match=words):
            dubbing.dub(request)
    assert not (tmp_path / "dub.mov").exists()
    monkeypatch.setenv("STYLESYNC_CERTIFICATE", places["STYLESYNC_CERTIFICATE"])
    monkeypatch.setenv("STYLESYNC_KEY", places["STYLESYNC_KEY"])
    Path(places["STYLESYNC_KEY"]).chmod(0o644)
    with pytest.raises(RequestError, match="chmod 600"):
        dubbing.dub(request)


def test_a_mark_is_in_the_metadata_and_needs_a_place(deliver: Deliver, tmp_path: Path) -> None:
    plain, marked = deliver("dub.mov", "off"), deliver("dub.mp4", "off", mark="metadata")
    assert b"compositeWithTrainedAlgorithmicMedia" not in plain.read_bytes()
    assert b"compositeWithTrainedAlgorithmicMedia" in marked.read_bytes()
    assert probe_video(marked).frames == FRAMES
    images = deliver("dub", "off", mark="metadata")
    for image in images.glob("*.png"):
        assert b"iTXtXML:com.adobe.xmp" in image.read_bytes()
        assert np.shape(cv2.imread(str(image))) == (48, 64, 3)
    options = DubOptions(codec="ffv1", mark="metadata")
    with pytest.raises(RequestError, match="no place for the mark"):
        dubbing.dub(DubRequest("a.mov", "a.wav", str(tmp_path / "a.mkv"), options=options))


def test_nothing_appears_when_signing_fails(
    deliver: Deliver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> bytes:
        raise RuntimeError("no key")

    monkeypatch.setattr(signing.Signer, "sign", fail)
    for name in ("dub.mov", "dub.mkv", "dub"):
        with pytest.raises((MediaError, RuntimeError)):
            deliver(name)
        assert list((tmp_path / "out").iterdir()) == []


def test_the_command_says_it_and_its_exit_code(
    deliver: Deliver, trust: None, capsys: pytest.CaptureFixture[str]
) -> None:
    output = deliver("dub.mkv")
    assert main(["verify", str(output)]) == 0
    said = capsys.readouterr()
    assert f"{output} is as '{signing.TEST_NAME}' signed it" in said.out
    assert "not for delivery" in said.err
    assert main(["verify", str(output), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["event"], told["credentials"]) == ("result", "sidecar")
    flip(output)
    assert main(["verify", str(output), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["kind"] == "MediaError"
    assert main(["verify", str(output.with_name("none.mkv"))]) == 3
    assert main(["verify", str(output), "--trust", "none.pem"]) == 2


def test_a_real_dub_is_signed_with_models_sources_and_consent(
    models: Any, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    consent = {"format": 1, "person": "Ada", "purpose": "a test", "until": "9999-12-31"}
    (tmp_path / "consent.json").write_text(json.dumps(consent))
    options = DubOptions(models=MODELS, quality="draft", device="cpu", credentials="test")
    request = DubRequest(
        str(talking), str(other_speech), str(tmp_path / "dub.mov"), FrameRange(4, 8),
        person="Ada", consent=str(tmp_path / "consent.json"), options=options,
    )  # fmt: skip
    result = dubbing.dub(request, models)
    assert result.signed_by == signing.TEST_NAME
    chain = tmp_path / "data" / "stylesync" / "test-certificate" / "chain.pem"
    statement = verification.verify(tmp_path / "dub.mov", [chain]).statement
    assert statement["consent"] == consent
    assert statement["models"]["fingerprint"] == models.fingerprint
    assert len(statement["models"]["parts"]) == 5
    video = statement["sources"][0]
    digest = hashes.Hash(hashes.SHA256())
    digest.update(talking.read_bytes())
    assert (video["name"], video["frames"]) == (talking.name, "4:8")
    assert video["sha256"] == digest.finalize().hex()
    manifest = read_manifest(tmp_path / "dub.mov")
    assert [entry["relationship"] for entry in manifest["ingredients"]] == [
        "parentOf", "componentOf",
    ]  # fmt: skip
    [actions] = [a for a in manifest["assertions"] if a["label"].startswith("c2pa.actions")]
    sources = [action.get("digitalSourceType") for action in actions["data"]["actions"]]
    assert sources[-1] == statement["digital_source_type"]


def read_manifest(path: Path) -> dict[str, Any]:
    import c2pa

    with path.open("rb") as file, c2pa.Reader("mov", file) as reader:
        manifest: dict[str, Any] | None = reader.get_active_manifest()
    assert manifest is not None
    return manifest


def test_changes_are_told_briefly() -> None:
    assert describe_changes("abc", "abc") == ""
    assert describe_changes("abc", "abd") == "frame 2 was changed"
    assert describe_changes("abc", "xyz!") == "frames 0, 1, 2 were changed and 1 frames were added"
    assert describe_changes("a" * 9, "b" * 9) == "frames 0, 1, 2, 3, 4 and 4 more were changed"
