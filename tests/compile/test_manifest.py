import json
from pathlib import Path

import pytest

from djl_trtllm.compile import manifest
from djl_trtllm.compile.manifest import Manifest
from djl_trtllm.errors import ArtifactError


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "small").write_text("small")
    (tmp_path / "big").write_bytes(bytes(3 << 20))
    content = Manifest("k", {"runtime": "x"}, manifest.survey(tmp_path), {"seconds": 1.5})
    manifest.write(tmp_path, content)
    assert manifest.read(tmp_path) == content
    return tmp_path


def test_a_whole_artifact_passes(artifact: Path) -> None:
    found = manifest.check(artifact)
    manifest.verify(artifact)
    assert set(found.files) == {"big", "sub/small"}
    assert found.total_bytes() == 5 + (3 << 20)


@pytest.mark.parametrize("name", ["big", "sub/small"])
def test_sizes_are_checked_at_once(artifact: Path, name: str) -> None:
    (artifact / name).write_bytes(b"")
    with pytest.raises(ArtifactError, match=f"{name} .* has 0 bytes"):
        manifest.check(artifact)
    (artifact / name).unlink()
    for look in (manifest.check, manifest.verify):
        with pytest.raises(ArtifactError, match=f"{name} .* is missing"):
            look(artifact)


def test_small_files_are_read_at_once_and_big_ones_by_verify(artifact: Path) -> None:
    (artifact / "big").write_bytes(bytes(3 << 20)[:-1] + b"x")
    manifest.check(artifact)
    with pytest.raises(ArtifactError, match=r"big .* is damaged"):
        manifest.verify(artifact)
    (artifact / "sub" / "small").write_text("smell")
    with pytest.raises(ArtifactError, match=r"sub/small .* is damaged"):
        manifest.check(artifact)


def test_every_single_bit_of_the_manifest_counts(artifact: Path) -> None:
    file = artifact / "manifest.json"
    whole = file.read_bytes()
    for position in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        file.write_bytes(flipped)
        try:
            assert manifest.read(artifact) == manifest.read(artifact)
            same = json.loads(bytes(flipped)) == json.loads(whole)
        except (ArtifactError, ValueError):
            same = True
        assert same, position


def test_another_format_is_said(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "FORMAT", 3)
    with pytest.raises(ArtifactError, match="format 2, and this version reads format 3"):
        manifest.read(artifact)


def resealed(directory: Path, body: bytes) -> None:
    """Anybody can seal a manifest."""
    (directory / "manifest.json").write_bytes(body + manifest._MARK + manifest._seal(body) + manifest._END)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../../x", "a//b", "a\\b", "x\x1b[2J", "a\0b", "manifest.json", ""]
)
def test_no_file_outside_is_named(artifact: Path, name: str) -> None:
    content = manifest.read(artifact)
    manifest.write(artifact, Manifest(content.key, content.plan, {name: manifest.File(1, "0")}))
    for look in (manifest.read, manifest.check, manifest.verify):
        with pytest.raises(ArtifactError, match="names a file that leads elsewhere"):
            look(artifact)


def test_a_link_that_leads_out_is_refused(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "small"
    elsewhere.write_text("small")
    (artifact / "sub" / "small").unlink()
    (artifact / "sub" / "small").symlink_to(elsewhere)
    for look in (manifest.check, manifest.verify):
        with pytest.raises(ArtifactError, match=r"sub/small of .* is a link that leads out of it"):
            look(artifact)
    (artifact / "sub" / "small").unlink()
    (artifact / "sub" / "other").write_text("small")
    (artifact / "sub" / "small").symlink_to("other")
    manifest.verify(artifact)


@pytest.mark.parametrize(
    "body", [b'{"format": 2, "plan": {"\xff": 1}', b'{"format": 2, "plan": ' + b"[" * 100_000, b'{"\xff": 2']
)
def test_a_sealed_manifest_may_still_be_no_manifest(artifact: Path, body: bytes) -> None:
    resealed(artifact, body)
    with pytest.raises(ArtifactError, match="is damaged"):
        manifest.read(artifact)
