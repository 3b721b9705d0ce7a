"""The container file, the compose file and the unit of systemd say what is true of the package."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import typer
import yaml

from speech_rnn import cli
from tests.checked_commands import check_command
from tests.test_architecture import ROOT
from tests.test_clips import CLIPS
from tests.test_pages import blocks

CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8")
PAGE = ROOT / "docs/howto/containers.md"
SERVE = typer.main.get_command(cli.app).commands["serve"]


def instructions():
    """Return (instruction, arguments) of the container file, without comments."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE, flags=re.M).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def given(instruction):
    return [arguments for name, arguments in instructions() if name == instruction]


def requirements(file):
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_the_list_of_the_server_is_the_extra():
    (extra,) = re.findall(
        r"^serve = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S
    )
    assert requirements("serve.txt") == re.findall('"([^"]+)"', extra)


def test_what_the_image_copies_exists():
    sources = [path for line in given("COPY") if "--from" not in line for path in line.split()[:-1]]
    assert sources
    assert [path for path in sources if not (ROOT / path).exists()] == []


def test_the_image_installs_as_the_readme_says():
    (line,) = re.findall(r"pip install (--no-deps .*)$", (ROOT / "README.md").read_text(), re.M)
    (run,) = given("RUN")
    light, serve = re.findall(r"bin/pip install --no-cache-dir ([^&]+?) &&", run)
    assert set(light.split()) <= {*line.split(), "."}
    assert serve.split() == ["-r", "serve.txt"]


def test_the_image_runs_without_rights():
    user, group = map(int, given("USER")[-1].split(":"))
    assert min(user, group) >= 10_000
    order = [name for name, _ in instructions()]
    assert "RUN" not in order[order.index("USER") :]


def test_the_image_starts_a_command_that_is_taken():
    (entry,), (command,) = given("ENTRYPOINT"), given("CMD")
    program, *arguments = yaml.safe_load(entry) + yaml.safe_load(command)
    check_command(program, arguments)
    defaults = {each.name: each.default for each in SERVE.params}
    ports = [defaults[name] for name in ("port", "asr_port", "wake_port")]
    assert given("EXPOSE") == [" ".join(map(str, ports))]


def test_the_compose_file_runs_a_command_that_is_taken():
    (text,) = blocks(PAGE, "yaml")
    (service,) = yaml.safe_load(text)["services"].values()
    check_command("speech-rnn", shlex.split(service["command"]))
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert (ROOT / service["build"]["dockerfile"]).is_file()
    assert ("--zeroconf" in service["command"]) == (service["network_mode"] == "host")


def unit():
    (text,) = blocks(PAGE, "ini")
    return text.replace("/opt/speech_rnn/bin/speech-rnn", shutil.which("true"))


def test_the_unit_runs_a_command_that_is_taken():
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str
    (text,) = blocks(PAGE, "ini")
    parser.read_string(text)
    program, *arguments = shlex.split(parser["Service"]["ExecStart"])
    check_command(Path(program).name, arguments)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit_and_finds_it_hardened(tmp_path):
    file = tmp_path / "speech-rnn.service"
    file.write_text(unit())
    done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True)
    assert "speech-rnn.service" not in done.stdout + done.stderr, done.stderr
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", file],
        capture_output=True,
        text=True,
    )
    found = re.search(r"Overall exposure level for speech-rnn.service: ([\d.]+)", done.stdout)
    assert found, done.stderr
    assert float(found[1]) < 3  # systemd says OK below 5, and of a bare unit 9.6


def health_check(port):
    (line,) = given("HEALTHCHECK")
    _, program, code = yaml.safe_load(line.partition("CMD")[2])[-3:]
    assert program == "-c"
    return [sys.executable, "-c", code.replace(":8000/", f":{port}/")]


WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
"""As a prefix, it leaves root no right but that of an owner."""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="folders are closed by their modes")
def test_it_serves_without_rights_and_without_a_place_to_write(tmp_path):
    pytest.importorskip("starlette", reason="the extra [serve] is not installed")
    is_root = os.geteuid() == 0
    if is_root and not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed, and root may write anywhere")
    if is_root:
        os.chown(tmp_path, 65534, 65534)
    tmp_path.chmod(0o555)
    environment = os.environ | {name: str(tmp_path) for name in ("HOME", "TMPDIR")}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    prefix = WITHOUT_RIGHTS if is_root else ()
    tried = subprocess.run([*prefix, "touch", "a"], cwd=tmp_path, capture_output=True)
    assert tried.returncode
    port = free_port()
    command = [sys.executable, "-m", "speech_rnn", "serve", "--only", "http", "--port", str(port)]
    with subprocess.Popen(
        [*prefix, *command], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            started = next((line for line in server.stderr if '"ready"' in line), None)
            assert started
            assert subprocess.run(health_check(port)).returncode == 0
            assert heard(port, CLIPS[0]) == CLIPS[0].stem
        finally:
            server.terminate()
            rest = server.stderr.read()
        assert server.wait(30) == 0, rest
    assert list(tmp_path.iterdir()) == []
    assert subprocess.run(health_check(port), stderr=subprocess.DEVNULL).returncode


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def heard(port, clip):
    """Return the answer to a clip by HTTP."""
    form = b'--x\r\nContent-Disposition: form-data; name="response_format"\r\n\r\ntext\r\n'
    form += b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.flac"\r\n\r\n'
    request = Request(
        f"http://127.0.0.1:{port}/v1/audio/transcriptions",
        form + clip.read_bytes() + b"\r\n--x--\r\n",
        {"Content-Type": "multipart/form-data; boundary=x"},
    )
    return urlopen(request, timeout=60).read().decode().strip()
