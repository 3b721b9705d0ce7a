"""Downloads from a real loopback server that misbehaves, and archives that must not be trusted."""

import errno
import gzip
import hashlib
import io
import logging
import os
import pty
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speech_rnn.data import download as room
from speech_rnn.data.download import download, extract, fetch
from speech_rnn.errors import ConfigurationError, DataError
from tests.archives import serve, write_archive

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
N = len(CONTENT)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "file.bin").write_bytes(CONTENT)
    return tmp_path / "served"


def got(server, path, **changes):
    options = {"sha256": SHA256, "backoff_seconds": 0.001, **changes}
    return download(server.url("file.bin"), path, **options)


def ranges(server):
    return [asked for _, asked in server.requests]


def test_a_file_arrives_whole_and_leaves_no_part(folder, tmp_path):
    path = tmp_path / "new" / "file.bin"
    with serve(folder) as server:
        assert got(server, path, size=N) == path
        assert got(server, path) == path
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]
    assert ranges(server) == [None]  # the second call asked for nothing


@pytest.mark.parametrize("announce_length", [True, False])
def test_two_cuts_are_resumed_in_one_call(folder, tmp_path, announce_length, caplog):
    with (
        serve(folder, cuts=(300_000, 200_000), announce_length=announce_length) as server,
        caplog.at_level(logging.WARNING),
    ):
        # Without a length only `size` tells that something is missing.
        path = got(server, tmp_path / "file.bin", size=N)
    assert path.read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=300000-", "bytes=500000-"]
    assert "300000 of 1024000 bytes; trying again in 0.001 s" in caplog.text


def test_a_later_call_goes_on_where_the_last_one_stopped(folder, tmp_path):
    path = tmp_path / "file.bin"
    with serve(folder, cuts=(300_000, 0, 0)) as server:
        with pytest.raises(
            DataError, match=r"continues after 300000 bytes.* place it at .*file\.bin$"
        ):
            got(server, path, attempts=2)
        assert not path.exists()
        got(server, path)
    assert path.read_bytes() == CONTENT
    assert ranges(server)[-1] == "bytes=300000-"


def test_any_number_of_cuts_with_progress_between(folder, tmp_path):
    with serve(folder, cuts=[100_000] * 9) as server:
        path = got(server, tmp_path / "file.bin", attempts=2)
    assert path.read_bytes() == CONTENT
    assert len(server.requests) == 10


def test_a_server_without_ranges_starts_over(folder, tmp_path):
    with serve(folder, ranges=False, cuts=(300_000, 200_000)) as server:
        path = got(server, tmp_path / "file.bin")
    assert path.read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=300000-", "bytes=200000-"]


def test_a_server_without_ranges_that_always_cuts_is_given_up(folder, tmp_path):
    with (
        serve(folder, ranges=False, cuts=[1000] * 99) as server,
        pytest.raises(DataError, match="connection was cut after 1000 of 1024000 bytes"),
    ):
        got(server, tmp_path / "file.bin", attempts=3)
    assert len(server.requests) == 3


@pytest.mark.parametrize("size", [N, None])
def test_a_complete_part_is_used(folder, tmp_path, size):
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    with serve(folder) as server:
        path = got(server, tmp_path / "file.bin", size=size)
    assert path.read_bytes() == CONTENT
    assert ranges(server) == ([] if size else [f"bytes={N}-"])  # the latter is answered by 416


def test_a_part_longer_than_the_file_is_dropped(folder, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT + b"more")
    with serve(folder) as server:
        path = got(server, tmp_path / "file.bin", size=N)
    assert path.read_bytes() == CONTENT
    assert ranges(server) == [f"bytes={N + 4}-", None]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_busy_server_is_asked_again(folder, tmp_path, status):
    with serve(folder, statuses=(status, status)) as server:
        assert got(server, tmp_path / "file.bin").read_bytes() == CONTENT
    assert len(server.requests) == 3


def test_a_wrong_url_is_final(folder, tmp_path):
    with (
        serve(folder, statuses=(404,)) as server,
        pytest.raises(DataError, match=r"url='http.*file\.bin' is answered by 404.*place it at"),
    ):
        got(server, tmp_path / "file.bin")
    assert len(server.requests) == 1


def test_a_server_that_hangs_is_left(folder, tmp_path):
    with serve(folder, cuts=(1000,), stall_seconds=20) as server:
        start = time.monotonic()
        path = got(server, tmp_path / "file.bin", timeout_seconds=0.2)
    assert path.read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=1000-"]
    assert time.monotonic() - start < 10


def test_without_a_network_the_error_names_an_alternative(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/file.bin"
        with pytest.raises(DataError) as caught:
            download(url, tmp_path / "file.bin", sha256=SHA256, attempts=2, backoff_seconds=0.001)
    assert f"url={url!r} could not be fetched" in str(caught.value)
    assert "refused" in str(caught.value)
    assert str(caught.value).endswith(f"place it at {tmp_path / 'file.bin'}")


def test_a_wrong_hash_names_both_and_leaves_the_way_free(folder, tmp_path):
    path = tmp_path / "file.bin"
    with serve(folder) as server:
        with pytest.raises(DataError) as caught:
            got(server, path, sha256="ab" * 32)
        assert server.url("file.bin") in str(caught.value)
        assert SHA256 in str(caught.value)
        assert "ab" * 32 in str(caught.value)
        assert list(tmp_path.glob("file*")) == []
        got(server, path)
    assert path.read_bytes() == CONTENT


def test_a_spoilt_part_is_found_out_and_removed(folder, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    with serve(folder) as server:
        with pytest.raises(DataError, match="SHA-256"):
            got(server, tmp_path / "file.bin")
        assert got(server, tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_file_placed_by_hand_is_checked(folder, tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"something else")
    with (
        serve(folder) as server,
        pytest.raises(DataError, match="delete it to have it downloaded"),
    ):
        got(server, path)
    assert path.read_bytes() == b"something else"
    path.write_bytes(CONTENT)
    assert got(server, path) == path  # and the server is gone
    assert got(server, path, sha256=SHA256.upper()) == path


def test_without_a_hash_any_file_is_accepted(folder, tmp_path):
    with serve(folder) as server:
        assert got(server, tmp_path / "file.bin", sha256=None).read_bytes() == CONTENT


def test_another_size_than_announced_is_refused_before_the_download(folder, tmp_path):
    with (
        serve(folder) as server,
        pytest.raises(DataError, match="announces 1024000 bytes, not size=5"),
    ):
        got(server, tmp_path / "file.bin", size=5)
    assert list(tmp_path.glob("file*")) == []


def test_file_urls(folder, tmp_path):
    path = download((folder / "file.bin").as_uri(), tmp_path / "file.bin", sha256=SHA256)
    assert path.read_bytes() == CONTENT
    with pytest.raises(DataError, match="No such file"):
        download((folder / "none").as_uri(), tmp_path / "none", sha256=None)


@pytest.mark.parametrize("url", ["ftp://host/file", "file.bin", ""])
def test_other_urls_are_refused(tmp_path, url):
    with pytest.raises(ConfigurationError, match="must start with https://, http:// or file://"):
        download(url, tmp_path / "file.bin", sha256=None)


def disk_with(free):
    return lambda path: SimpleNamespace(total=free, used=0, free=free)


def test_a_disk_that_is_too_small_is_found_beforehand(folder, tmp_path, monkeypatch):
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:1000])
    monkeypatch.setattr(room.shutil, "disk_usage", disk_with(N - 1001))
    with (
        serve(folder) as server,
        pytest.raises(DataError, match=f"needs {N - 1000} more bytes.* {N - 1001} available"),
    ):
        got(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin.part").stat().st_size == 1000
    monkeypatch.setattr(room.shutil, "disk_usage", disk_with(N - 1000))
    with serve(folder) as server:
        got(server, tmp_path / "file.bin")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_disk_that_fills_up_while_it_writes(folder, tmp_path):
    (tmp_path / "file.bin.part").symlink_to("/dev/full")
    with (
        serve(folder) as server,
        pytest.raises(DataError, match=r"file\.bin\.part': the disk is full, \d+ bytes"),
    ):
        got(server, tmp_path / "file.bin")
    assert len(server.requests) == 1  # no retry helps


def test_a_folder_that_cannot_be_made(folder, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with serve(folder) as server, pytest.raises(DataError, match=r"taken.* cannot be written"):
        got(server, tmp_path / "taken" / "file.bin")


def test_the_bar_is_for_terminals_only(folder, tmp_path, capfd):
    with serve(folder) as server:
        got(server, tmp_path / "file.bin")
    assert capfd.readouterr() == ("", "")
    ours, theirs = pty.openpty()
    code = (
        "import sys; from speech_rnn.data.download import download\n"
        "download(sys.argv[1], sys.argv[2], sha256=None)"
    )
    with serve(folder) as server:
        subprocess.run(
            [sys.executable, "-c", code, server.url("file.bin"), tmp_path / "other.bin"],
            stderr=theirs,
            check=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        )
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "other.bin" in shown
    assert "1.0/1.0 MB" in shown


# Archives


def tar_of(path, *members, mode="w:gz"):
    """Write members given as (TarInfo or name, content)."""
    with tarfile.open(path, mode) as tar:
        for info, content in members:
            if isinstance(info, str):
                info = tarfile.TarInfo(info)
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_is_unpacked(tmp_path, mode):
    setuid = tarfile.TarInfo("./yes/b.wav")
    setuid.size, setuid.mode, setuid.uid = 2, 0o6777, 12345
    archive = tar_of(
        tmp_path / "a.tar", ("README", b"r"), ("./yes/a.wav", b"abc"), (setuid, b"de"), mode=mode
    )
    tree = extract(archive, tmp_path / "tree")
    assert (tree / "README").read_bytes() == b"r"
    assert (tree / "yes" / "a.wav").read_bytes() == b"abc"
    assert (tree / "yes" / "b.wav").stat().st_mode & 0o7000 == 0
    assert (tree / "yes" / "b.wav").stat().st_uid == os.getuid()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "tree"]


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (("../evil", b"x"), "climbs out"),
        (("a/../../evil", b"x"), "climbs out"),
        (("/tmp/evil", b"x"), "climbs out"),
        (("..\\evil", b"x"), "climbs out"),
        (("C:\\evil", b"x"), "climbs out"),
        (special("link", tarfile.SYMTYPE, "/etc/passwd"), "is a link to '/etc/passwd'"),
        (special("link", tarfile.SYMTYPE, "../.."), "is a link to '../..'"),
        (special("link", tarfile.LNKTYPE, "../outside"), "is a link to '../outside'"),
        (special("null", tarfile.CHRTYPE), "is a device"),
        (special("disk", tarfile.BLKTYPE), "is a device"),
        (special("pipe", tarfile.FIFOTYPE), "is a device"),
    ],
)
def test_an_archive_that_reaches_outside_is_refused_whole(tmp_path, member, why):
    home = tmp_path / "home"
    home.mkdir()
    archive = tar_of(home / "a.tar.gz", ("yes/a.wav", b"abc"), member)
    with pytest.raises(DataError) as caught:
        extract(archive, home / "tree")
    assert why in str(caught.value)
    assert "nothing was unpacked" in str(caught.value)
    assert list(home.iterdir()) == [archive]
    assert list(tmp_path.iterdir()) == [home]


def test_writing_through_a_link_is_impossible(tmp_path):
    archive = tar_of(
        tmp_path / "a.tar.gz",
        special("out", tarfile.SYMTYPE, str(tmp_path)),
        ("out/evil", b"x"),
    )
    with pytest.raises(DataError, match="is a link"):
        extract(archive, tmp_path / "tree")
    assert not (tmp_path / "evil").exists()


WHOLE = [(f"yes/{i}.wav", os.urandom(3000)) for i in range(20)]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_truncated_archive(tmp_path, mode):
    archive = tar_of(tmp_path / "a.tar", *WHOLE, mode=mode)
    content = archive.read_bytes()
    for share in (0.001, 0.3, 0.5, 0.7):  # 0.7 of the plain tar ends between two members
        archive.write_bytes(content[: int(share * len(content))])
        with pytest.raises(DataError, match=r"a\.tar' cannot be unpacked after \d+ files"):
            extract(archive, tmp_path / "tree")
        assert list(tmp_path.iterdir()) == [archive]


@given(place=st.floats(0, 1), junk=st.binary(min_size=1, max_size=40), packed=st.booleans())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_corrupt_archive_raises_data_errors_only(tmp_path, place, junk, packed):
    archive = tar_of(tmp_path / "a.tar", *WHOLE[:4], mode="w:gz" if packed else "w")
    content = bytearray(archive.read_bytes())
    start = int(place * (len(content) - len(junk)))
    content[start : start + len(junk)] = junk
    archive.write_bytes(content)
    try:
        tree = extract(archive, tmp_path / "tree")
    except DataError:
        assert list(tmp_path.iterdir()) == [archive]
    else:
        room.shutil.rmtree(tree)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", gzip.compress(b"no tar" * 999)])
def test_files_that_are_not_archives(tmp_path, content):
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.tar\.gz' cannot be (unpacked|read)"):
        extract(tmp_path / "a.tar.gz", tmp_path / "tree")
    with pytest.raises(DataError, match=r"none.* cannot be read"):
        extract(tmp_path / "none", tmp_path / "tree")


def test_an_archive_without_files(tmp_path):
    archive = tar_of(tmp_path / "a.tar.gz", special("folder", tarfile.DIRTYPE))
    with pytest.raises(DataError, match="holds no files"):
        extract(archive, tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_a_folder_that_is_not_empty_is_not_changed(tmp_path):
    archive = tar_of(tmp_path / "a.tar.gz", *WHOLE)
    (tmp_path / "tree").mkdir()
    assert extract(archive, tmp_path / "tree").is_dir()  # empty: fine
    with pytest.raises(DataError, match="is there already"):
        extract(archive, tmp_path / "tree")


def test_a_disk_too_small_for_the_tree(tmp_path, monkeypatch):
    archive = tar_of(tmp_path / "a.tar.gz", ("zeros", bytes(10**6)))
    assert archive.stat().st_size < 10_000
    monkeypatch.setattr(room.shutil, "disk_usage", disk_with(500_000))
    with pytest.raises(DataError, match=r"needs 10\d{5} more bytes .* 500000 available"):
        extract(archive, tmp_path / "tree")
    assert list(tmp_path.iterdir()) == [archive]


def test_a_disk_that_fills_up_while_it_unpacks(tmp_path, monkeypatch):
    archive = tar_of(tmp_path / "a.tar.gz", *WHOLE)
    copied = []

    def copy(source, target):
        copied.append(target)
        if len(copied) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        target.write(source.read())

    monkeypatch.setattr(room.shutil, "copyfileobj", copy)
    with pytest.raises(DataError, match="the disk is full"):
        extract(archive, tmp_path / "tree")
    assert list(tmp_path.iterdir()) == [archive]


def test_a_kill_in_the_middle_leaves_nothing_that_looks_whole(tmp_path):
    archive = tar_of(tmp_path / "a.tar.gz", *[(f"yes/{i}.wav", b"x" * 100) for i in range(300)])
    code = (
        "import sys, time; from speech_rnn.data import download as room\n"
        "copy = room.shutil.copyfileobj\n"
        "room.shutil.copyfileobj = lambda *files: (time.sleep(0.01), copy(*files))\n"
        "room.extract(sys.argv[1], sys.argv[2])"
    )
    work = subprocess.Popen([sys.executable, "-c", code, archive, tmp_path / "tree"])
    begun = tmp_path / "tree.part" / "yes"
    while work.poll() is None and not (begun.is_dir() and len(list(begun.iterdir())) > 5):
        time.sleep(0.01)
    work.send_signal(signal.SIGKILL)
    assert work.wait() == -signal.SIGKILL
    assert not (tmp_path / "tree").exists()
    assert 5 < len(list(begun.iterdir())) < 300
    extract(archive, tmp_path / "tree")
    assert len(list((tmp_path / "tree" / "yes").iterdir())) == 300
    assert not (tmp_path / "tree.part").exists()


def test_fetch_downloads_and_unpacks_once(tmp_path):
    archive = write_archive(tmp_path / "served" / "a.tar.gz", {"yes/a.wav": b"abc"})
    with serve(archive.path.parent, cuts=(50, 100)) as server:
        for _ in range(2):
            tree = fetch(
                server.url("a.tar.gz"),
                tmp_path / "data" / "tree",
                sha256=archive.sha256,
                size=archive.size,
            )
            assert (tree / "yes" / "a.wav").read_bytes() == b"abc"
    assert len(server.requests) == 3
    assert (tmp_path / "data" / "tree.tar.gz").is_file()


@pytest.mark.slow
def test_processes_that_fetch_one_folder_wait_for_each_other(tmp_path):
    members = {f"yes/{i}.wav": os.urandom(2000) for i in range(50)}
    archive = write_archive(tmp_path / "served" / "a.tar.gz", members)
    with serve(archive.path.parent, cuts=(20_000,), stall_seconds=0.3) as server:
        code = (
            "import sys; from speech_rnn.data.download import fetch\n"
            "fetch(sys.argv[1], sys.argv[2], sha256=sys.argv[3])"
        )
        command = [sys.executable, "-c", code, server.url("a.tar.gz"), tmp_path / "tree"]
        work = [subprocess.Popen([*command, archive.sha256]) for _ in range(3)]
        assert [one.wait(60) for one in work] == [0, 0, 0]
    assert len(server.requests) == 2
    assert len(list((tmp_path / "tree" / "yes").iterdir())) == 50


def test_the_server_serves_several_at_once(folder, tmp_path):
    with serve(folder) as server:
        paths = [tmp_path / f"{i}.bin" for i in range(4)]
        work = [threading.Thread(target=got, args=(server, path)) for path in paths]
        for one in work:
            one.start()
        for one in work:
            one.join()
    assert all(path.read_bytes() == CONTENT for path in paths)
