"""What deploy/ names exists: settings, files, stages, commands, metrics; checked by each tool that is at hand."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.live.server_process import ServerProcess
from server.cli import SUBCOMMANDS
from server.settings import Settings
from tests.server.serving import PROGRAM

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose"
SERVICES: dict[str, Any] = yaml.safe_load((COMPOSE / "docker-compose.yml").read_text())["services"]
ENVIRONMENT = {
    "DOMAIN": "afterimage.example.org",
    "PUBLIC_ADDRESS": "203.0.113.7",
    "AFTERIMAGE_TOKEN": "a token",
    "TURN_SECRET": "a secret",
    "GRAFANA_PASSWORD": "a password",
}
DASHBOARDS = sorted((COMPOSE / "grafana" / "dashboards").glob("*.json"))
USERS_PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *DEPLOY.rglob("*")]

# A compose file's ways to name a variable of the environment: ${NAME}, ${NAME:-default}, ${NAME:?why}.
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(:(?P<how>[-?])(?P<rest>[^}]*))?\}")


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program}")


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with ServerProcess(program=PROGRAM) as process:
        yield process


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
        return body.decode()


def filled_in(value: str) -> str:
    """A compose file's value as Docker fills it in from example.env with its gaps filled."""

    def fill(match: re.Match[str]) -> str:
        default = match["rest"] if match["how"] == "-" else None
        given = ENVIRONMENT.get(match["name"], default)
        assert given is not None, f"nothing says what {match['name']} is"
        return given

    return _VARIABLE.sub(fill, value)


@pytest.mark.parametrize(
    "page", [path for path in USERS_PAGES if path.is_file() and path.name != "decisions.md"]
)
def test_every_setting_that_is_named_exists(page: Path) -> None:
    known = {f"AFTERIMAGE_{name.upper()}" for name in Settings.model_fields}
    # Caddy's own two.
    known |= {"AFTERIMAGE_SITE", "AFTERIMAGE_UPSTREAM"}
    named = set(re.findall(r"\bAFTERIMAGE_[A-Z][A-Z_]*[A-Z]\b", page.read_text()))
    assert named - known == set()


# --- Dockerfile ---------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def values(name: str) -> list[str]:
    return [value for instruction, value in instructions() if instruction == name]


def test_every_file_that_an_image_copies_exists_and_reaches_the_build() -> None:
    stages = {stage.split()[-1] for stage in values("FROM")}
    kept = {
        line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    for copied in values("COPY"):
        words = copied.split()
        if words[0].startswith("--from="):
            assert words[0].removeprefix("--from=") in stages
            continue
        for source in words[:-1]:
            assert (ROOT / source).exists(), source
            assert Path(source).parts[0] in kept, source


def test_both_images_are_built_on_versions_that_the_project_takes() -> None:
    arguments = dict(argument.split("=") for argument in values("ARG"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"
    assert tuple(map(int, arguments["PYTHON"].split("."))) >= (3, 11)
    assert int(arguments["NODE"]) >= 22
    named = [
        value for name, value in instructions() if name == "FROM" and value.endswith((" AS gpu", " AS cpu"))
    ]
    assert named == ["base AS gpu", "base AS cpu"]
    extras = re.findall(r"'\.\[([\w,-]+)\]'", " ".join(values("RUN")))
    assert extras
    assert set(",".join(extras).split(",")) <= set(project["optional-dependencies"])


def test_the_image_for_gpus_has_what_compiles_for_any_of_them() -> None:
    (packages,) = [value for value in stage("packages-gpu") if value.startswith("pip install")]
    assert "tensorrt-rtx" in packages
    (system,) = [value for value in stage("gpu") if "apt-get install" in value]
    assert "g++" in system


def stage(name: str) -> list[str]:
    """What a stage of the Dockerfile runs."""
    begins = [index for index, (instruction, _) in enumerate(instructions()) if instruction == "FROM"]
    for begin, end in zip(begins, [*begins[1:], None], strict=True):
        if instructions()[begin][1].endswith(f" AS {name}"):
            return [value for instruction, value in instructions()[begin:end] if instruction == "RUN"]
    raise AssertionError(f"there is no stage {name}")


def test_an_image_serves_as_nobody_in_particular_and_is_asked_how_it_is() -> None:
    (entry,), (command,) = map(json.loads, values("ENTRYPOINT")), map(json.loads, values("CMD"))
    assert entry[0] in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert command[0] in SUBCOMMANDS
    # Root, for the packages of the image for GPUs, and back.
    assert values("USER") == ["afterimage", "root", "afterimage"]
    assert "/livez" in values("HEALTHCHECK")[0]
    environment = dict(re.findall(r"(AFTERIMAGE_\w+)=(\S+)", " ".join(values("ENV"))))
    settings = settings_of({**environment, "AFTERIMAGE_TOKEN": "a token"})
    assert f":{settings.port}/livez" in values("HEALTHCHECK")[0]
    assert settings.udp_ports is not None
    assert f"{environment['AFTERIMAGE_UDP_PORTS']}/udp" in values("EXPOSE")[0]


def settings_of(environment: dict[str, str]) -> Settings:
    """What the server would read from these variables alone."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return Settings.model_validate({})


# --- Compose --------------------------------------------------------------------------------------------------------


def test_the_services_name_files_volumes_and_stages_that_there_are() -> None:
    compose = yaml.safe_load((COMPOSE / "docker-compose.yml").read_text())
    stages = {stage.split()[-1] for stage in values("FROM")}
    overlay = yaml.safe_load((COMPOSE / "gpu.yml").read_text())["services"]
    assert set(overlay) <= set(SERVICES)
    for build in (
        SERVICES["afterimage"]["build"],
        {**SERVICES["afterimage"]["build"], **overlay["afterimage"]["build"]},
    ):
        assert (COMPOSE / build["context"] / build["dockerfile"]).samefile(DEPLOY / "Dockerfile")
        assert build["target"] in stages
    for service in SERVICES.values():
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
        for mounted in service.get("volumes", ()):
            source = mounted.split(":")[0]
            assert (COMPOSE / source).exists() if source.startswith(".") else source in compose["volumes"]


def test_the_environment_of_the_service_is_read_as_meant() -> None:
    said = SERVICES["afterimage"]["environment"]
    given = {name: filled_in(str(value)) for name, value in said.items() if value is not None}
    images = dict(re.findall(r"(AFTERIMAGE_\w+)=(\S+)", " ".join(values("ENV"))))
    settings = settings_of({**images, **given})
    (turn,) = settings.ice_servers
    assert turn.urls[0] == "turn:afterimage.example.org:3478?transport=udp"
    assert turn.secret is not None
    assert settings.public_address == ("203.0.113.7",)
    assert SERVICES["afterimage"]["ports"] == ["{0}:{0}/udp".format(given["AFTERIMAGE_UDP_PORTS"])]
    assert f"afterimage:{settings.port}" == SERVICES["caddy"]["environment"]["AFTERIMAGE_UPSTREAM"]


def test_every_setting_can_be_given_to_the_service() -> None:
    """But for what the image itself says: where it listens, keeps things, and finds the page."""
    images = re.findall(r"(AFTERIMAGE_\w+)=", " ".join(values("ENV")))
    fixed = {*images, "AFTERIMAGE_DATA", "AFTERIMAGE_ENGINE_DIR"}
    settings = {f"AFTERIMAGE_{name.upper()}" for name in Settings.model_fields}
    assert settings - fixed <= SERVICES["afterimage"]["environment"].keys()


def test_every_variable_that_has_to_be_given_stands_in_the_example() -> None:
    text = (COMPOSE / "docker-compose.yml").read_text()
    needed = {match["name"] for match in _VARIABLE.finditer(text) if match["how"] != "-"}
    example = dict(
        line.split("=")
        for line in (COMPOSE / "example.env").read_text().splitlines()
        if line[:1] not in ("#", "")
    )
    assert set(example) == needed == set(ENVIRONMENT)


@needs("turnserver")
def test_coturn_knows_its_options() -> None:
    known = subprocess.run(["turnserver", "--help"], capture_output=True, text=True, check=False)
    options = {option.split("=")[0] for option in SERVICES["coturn"]["command"]}
    assert {option for option in options if option not in known.stdout + known.stderr} == set()


# --- Figures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_every_metric_of_a_dashboard_is_one_of_the_servers(dashboard: Path, server: ServerProcess) -> None:
    """A family with nothing to tell yet is there by its name and meaning."""
    families = re.findall(r"^# TYPE (\w+)", fetched(f"{server.url}/metrics"), re.MULTILINE)
    panels = json.loads(dashboard.read_text())["panels"]
    asked = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"afterimage_\w+", target["expr"])
    }
    assert len(asked) > 8
    assert asked - set(families) == set()
    told = set(re.findall(r"\bafterimage_\w+", (ROOT / "docs" / "deploy.md").read_text()))
    assert told - set(families) == set()


def test_the_dashboard_asks_the_provisioned_source_and_lies_where_it_is_looked_for() -> None:
    provisioning = COMPOSE / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "afterimage.yml").read_text())["providers"]
    mounts = dict(mounted.split(":")[:2] for mounted in SERVICES["grafana"]["volumes"])
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    assert source["url"] == "http://prometheus:9090"
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {source["uid"]}


@needs("promtool")
def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    token, configuration = tmp_path / "token", tmp_path / "prometheus.yml"
    token.write_text("a token")
    text = (COMPOSE / "prometheus.yml").read_text()
    assert "/run/secrets/afterimage_token" in text
    configuration.write_text(text.replace("/run/secrets/afterimage_token", str(token)))
    subprocess.run(["promtool", "check", "config", configuration], check=True, capture_output=True)


# --- Without containers ---------------------------------------------------------------------------------------------


@needs("systemd-analyze")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = (DEPLOY / "systemd" / "afterimage.service").read_text()
    command = re.search(r"^ExecStart=(\S+) (\w+)$", unit, re.MULTILINE)
    assert command is not None
    assert command[2] in SUBCOMMANDS
    copy = tmp_path / "afterimage.service"
    # systemd looks for the program; this machine may have none in /opt.
    copy.write_text(unit.replace(command[1], sys.executable))
    run = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_the_units_settings_are_read_as_meant() -> None:
    lines = (DEPLOY / "systemd" / "afterimage.env").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line[:1] not in ("#", ""))
    assert given["AFTERIMAGE_TOKEN"] == ""
    assert settings_of({**given, "AFTERIMAGE_TOKEN": "a token"}).public_address == ()


@needs("caddy")
def test_caddy_passes_on_calls_and_events_as_they_come(server: ServerProcess, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configuration = tmp_path / "Caddyfile"
    configuration.write_text("{\n\tadmin off\n}\n" + (DEPLOY / "Caddyfile").read_text())
    environment = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "AFTERIMAGE_SITE": f"http://127.0.0.1:{port}",
        "AFTERIMAGE_UPSTREAM": server.url.removeprefix("http://"),
    }
    command = ["caddy", "run", "--config", str(configuration), "--adapter", "caddyfile"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as caddy:
        try:
            assert caddy.stderr is not None
            while "serving initial configuration" not in (line := caddy.stderr.readline()):
                assert line, "caddy ended"
            site = f"http://127.0.0.1:{port}"
            opened = json.loads(post(f"{site}/v1/sessions"))
            events = urllib.request.urlopen(
                f"{site}{opened['events_url']}?token={opened['token']}", timeout=10
            )
            with events:
                # Held back by a buffer this would not come before the session's end.
                assert events.readline() == b"event: state\n"
            assert (
                urllib.request.urlopen(f"{site}/livez", timeout=10).headers["Referrer-Policy"]
                == "no-referrer"
            )
            # As long as many presets: refused by who can read it, if at all.
            with pytest.raises(urllib.error.HTTPError) as refused:
                post(f"{site}/v1/presets/import", b"[" + bytes(2_000_000))
            assert refused.value.code == 422
            with pytest.raises(urllib.error.HTTPError) as refused:
                post(f"{site}/v1/sessions", bytes(2_000_000))
            assert refused.value.code == 413
        finally:
            caddy.terminate()


def post(url: str, sent: bytes | None = None) -> str:
    request = urllib.request.Request(url, sent, {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        body: bytes = answer.read()
        return body.decode()
