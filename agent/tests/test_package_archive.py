"""The same files give the same bytes; what is packed can be unpacked; nothing half-done is left."""

from __future__ import annotations

import errno
import os
import tarfile
import threading
import unicodedata
from io import BytesIO
from pathlib import Path

import hostile
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keiken.errors import PackageError, UsageError
from keiken.package import archive as archive_module
from keiken.package import digest, load, pack, unpack


def package_at(folder: Path, **files: bytes | str) -> Path:
    for path, content in {**hostile.VALID, **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def refusal(folder: Path) -> PackageError:
    with pytest.raises(PackageError) as refused:
        pack(folder)
    with pytest.raises(PackageError) as loaded:
        load(folder)
    assert loaded.value.code == refused.value.code
    return refused.value


segment = st.text(
    st.characters(
        codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"), exclude_characters='/\\:*?"<>|~#.'
    ),
    min_size=1,
    max_size=12,
).map(lambda text: f"f{unicodedata.normalize('NFC', text)}e")
paths = st.lists(segment, min_size=1, max_size=4).map("/".join).map(lambda path: unicodedata.normalize("NFC", path))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(paths, st.tuples(st.binary(max_size=2000), st.booleans()), max_size=6))
def test_packing_what_was_unpacked_gives_the_same_bytes(
    files: dict[str, tuple[bytes, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("round")
    source = package_at(folder / "source")
    for path, (content, executable) in files.items():
        target = source / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue
        target.chmod(0o755 if executable else 0o600)
    if refused := hostile.refusal_of(lambda: pack(source)):
        assert refused.code in ("path_collision", "path_not_normalized", "path_too_long", "path_reserved")
        return
    data = pack(source)
    package = unpack(data, folder / "copy")
    assert pack(folder / "copy") == data
    assert package.digest == digest(data)
    assert package.files == load(source).files
    for path in package.files:
        assert (folder / "copy" / path).read_bytes() == (source / path).read_bytes()
        was, now = (bool((folder / kind / path).stat().st_mode & 0o100) for kind in ("source", "copy"))
        assert was == now


def test_times_owners_order_and_droppings_do_not_change_the_bytes(tmp_path: Path) -> None:
    one = package_at(tmp_path / "one", **{"assets/b.txt": "b", "assets/a.txt": "a"})
    two = package_at(tmp_path / "two", **{"assets/a.txt": "a", "assets/b.txt": "b"})
    os.utime(two / "assets/a.txt", (1, 1))
    (two / "assets/b.txt").chmod(0o606)
    for dropping in (
        ".git/HEAD",
        "scripts/__pycache__/x.pyc",
        "SKILL.md~",
        ".experience.yaml.swp",
        ".DS_Store",
        ".#SKILL.md",
    ):
        (two / dropping).parent.mkdir(parents=True, exist_ok=True)
        (two / dropping).write_text("x")
    (two / "empty").mkdir()
    assert pack(one) == pack(two)
    assert sorted(load(two).files) == ["SKILL.md", "assets/a.txt", "assets/b.txt", "experience.yaml"]


def test_the_archive_is_the_documented_one(tmp_path: Path) -> None:
    data = pack(package_at(tmp_path, **{"scripts/é.sh": "x"}))
    assert data[:10] == b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"
    assert digest(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    with tarfile.open(fileobj=BytesIO(data)) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == ["SKILL.md", "experience.yaml", "scripts/é.sh"]
    for member in members:
        assert (member.mtime, member.uid, member.gid, member.uname, member.mode) == (0, 0, 0, "", 0o644)
        assert member.pax_headers == {}


def test_every_length_of_path_that_is_allowed_can_be_read_back(tmp_path: Path) -> None:
    long = "a" * 100 + "/" + "b" * 54 + "/" + "c" * 80
    data = pack(package_at(tmp_path / "source", **{long: "x"}))
    assert long in unpack(data, tmp_path / "copy").files
    with tarfile.open(fileobj=BytesIO(data)) as archive:
        assert long in archive.getnames()


@pytest.mark.parametrize(
    "path", ["n" * 101, "a" * 100 + "/" + "b" * 100 + "/" + "c" * 39, "あ" * 34, "d/" * 12 + "x"], ids=len
)
def test_a_path_that_does_not_fit_is_refused_when_it_is_packed(path: str, tmp_path: Path) -> None:
    error = refusal(package_at(tmp_path, **{path: "x"}))
    assert error.code in ("path_too_long", "path_too_deep")


def test_links_and_devices_are_refused_and_not_followed(tmp_path: Path) -> None:
    for name, make in {
        "link": lambda path: path.symlink_to("/etc/passwd"),
        "folder link": lambda path: path.symlink_to("/etc"),
        "dead link": lambda path: path.symlink_to("nowhere"),
        "loop": lambda path: path.symlink_to("loop"),
    }.items():
        folder = package_at(tmp_path / name.replace(" ", "-"))
        make(folder / name.replace(" ", "_"))
        assert refusal(folder).code == "entry_link"
    folder = package_at(tmp_path / "fifo")
    os.mkfifo(folder / "pipe")
    assert refusal(folder).code == "entry_device"


def test_the_manifest_may_not_be_a_link(tmp_path: Path) -> None:
    folder = package_at(tmp_path / "package")
    (folder / "experience.yaml").rename(tmp_path / "elsewhere.yaml")
    (folder / "experience.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    assert refusal(folder).code == "entry_link"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (b"a\x01b", "path_control_character"),
        (b"\xff\xfe", "path_encoding"),
        ("cafe\u0301".encode(), "path_not_normalized"),
        (b"Experience.YAML", "path_collision"),
        (b"nul.txt", "path_reserved"),
        (b"work", "path_reserved"),
        (b"ab:c", "path_character"),
        (b"end.", "path_reserved"),
    ],
)
def test_a_name_that_means_different_things_elsewhere_is_refused(name: bytes, code: str, tmp_path: Path) -> None:
    folder = package_at(tmp_path)
    with open(os.path.join(os.fsencode(folder), name), "wb") as file:  # noqa: PTH118, PTH123  # pathlib takes no bytes
        file.write(b"x")
    error = refusal(folder)
    assert error.code == code
    assert error.message.isprintable()


def test_what_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    folder = package_at(tmp_path / "one")
    with (folder / "big.bin").open("wb") as file:
        file.truncate(1 << 40)
    assert refusal(folder).code == "file_too_large"
    folder = package_at(tmp_path / "many", **{f"assets/{n}": b"" for n in range(2000)})
    assert refusal(folder).code == "package_too_large"
    folder = package_at(tmp_path / "zeros", **{f"assets/{n}": bytes(7 << 20) for n in range(2)})
    with pytest.raises(PackageError) as refused:
        pack(folder)
    assert refused.value.code == "archive_ratio"


def test_an_archive_larger_than_the_limit_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(PackageError) as refused:
        unpack(bytes(archive_module.ARCHIVE_BYTES_LIMIT + 1), tmp_path / "package")
    assert refused.value.code == "archive_too_large"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere").code == "package_missing"
    (tmp_path / "file").write_text("x")
    assert refusal(tmp_path / "file").code == "package_missing"
    assert refusal(tmp_path).code == "manifest_missing"


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pack(package_at(tmp_path / "source", **{"assets/a": "x", "assets/b": "y"}))
    write = archive_module._write_file
    count = iter(range(10))

    def full(root: int, path: str, file: archive_module.File) -> None:
        if next(count) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(root, path, file)

    monkeypatch.setattr(archive_module, "_write_file", full)
    with pytest.raises(UsageError) as refused:
        unpack(data, tmp_path / "new" / "deep" / "package")
    assert refused.value.code == "destination_unwritable"
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_two_at_once_end_with_one_whole_package(tmp_path: Path) -> None:
    data = pack(package_at(tmp_path / "source", **{f"assets/{n}": b"x" * 999 for n in range(50)}))
    outcomes: list[str] = []
    start = threading.Barrier(4)

    def race() -> None:
        start.wait()
        try:
            outcomes.append(unpack(data, tmp_path / "package").digest)
        except PackageError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=race) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == sorted([digest(data), *["destination_not_empty"] * 3])
    assert pack(tmp_path / "package") == data
    assert sorted(path.name for path in tmp_path.iterdir()) == ["package", "source"]


def test_a_file_that_is_swapped_for_a_link_after_loading_is_not_followed(tmp_path: Path) -> None:
    package = load(package_at(tmp_path, **{"assets/a.txt": "mine"}))
    assert package.read("assets/a.txt") == b"mine"
    (tmp_path / "assets/a.txt").unlink()
    (tmp_path / "assets/a.txt").symlink_to("/etc/passwd")
    with pytest.raises(PackageError) as refused:
        package.read("assets/a.txt")
    assert refused.value.code == "file_unreadable"
    (tmp_path / "assets").rename(tmp_path / "old")
    (tmp_path / "assets").symlink_to("/etc")
    with pytest.raises(PackageError) as refused:
        package.read("assets/passwd")
    assert refused.value.code == "file_unreadable"


def test_a_relative_destination_is_taken_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    unpack(hostile.archive(), Path("package"))
    assert (tmp_path / "package/SKILL.md").is_file()
