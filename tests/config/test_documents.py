"""What is written about the product agrees with the product."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from config.compose import compose, prepare
from config.compose_http import http_app
from config.documents import ROOT, written
from config.settings import Settings, environment_name, is_secret
from dicomweb.conformance import RESOURCES
from pacs.http.resource import Resource, Service

KNOWN = {environment_name(field) for field in Settings.model_fields}
KNOWN |= {f"{environment_name(field)}_FILE" for field in Settings.model_fields if is_secret(field)}

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


@pytest.mark.parametrize("path", written(), ids=lambda path: path.name)
def test_generated_files_are_fresh(path: Path) -> None:
    assert path.read_text("utf-8") == written()[path], "run `make docs`"


@pytest.mark.parametrize(
    "name", ["README.md", "Dockerfile", "compose.yaml", ".env.example", "ARCHITECTURE.md"]
)
def test_every_setting_named_exists(name: str) -> None:
    assert set(re.findall(r"\bPACS_[A-Z0-9_]+[A-Z0-9]", (ROOT / name).read_text("utf-8"))) <= KNOWN


def test_the_statement_names_the_dicomweb_resources_that_exist(tmp_path: Path) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path})
    prepare(settings)
    with compose(settings) as installation:
        (service,) = (
            each for each in http_app(installation, lambda: True).routes if isinstance(each, Service)
        )
    served = {
        (method, each.path)
        for each in service.routes
        if isinstance(each, Resource)
        for method in (each.methods or set()) - {"HEAD"}
    }
    assert {(method, path) for _, method, paths, _ in RESOURCES for path in paths} == served
    statement = written()[ROOT / "docs" / "dicom-conformance.md"]
    assert all(f"`{path.replace(':path', '')}`" in statement for _, path in served)


def test_every_setting_has_a_meaning() -> None:
    assert all(info.description for info in Settings.model_fields.values())


def test_compose_waits_for_what_it_needs() -> None:
    services = COMPOSE["services"]
    assert set(services) == {"pacs", "database", "objects", "bucket"}
    for name, service in services.items():
        assert ("image" in service) != ("build" in service), name
        for other, condition in service.get("depends_on", {}).items():
            needs_check = condition["condition"] == "service_healthy"
            assert not needs_check or "healthcheck" in services[other]
        for volume in service.get("volumes", ()):
            assert volume.split(":")[0] in COMPOSE["volumes"]


def test_compose_has_no_password_of_its_own() -> None:
    given = [
        str(value)
        for service in COMPOSE["services"].values()
        for name, value in service.get("environment", {}).items()
        if re.search("PASSWORD|SECRET|DATABASE_URL|MC_HOST", name)
    ]
    assert given
    for value in given:
        assert re.search(r"\$\{[A-Z_]+:\?[^}]+\}", value), "must refuse to start without"


def test_the_container_is_nobodys_root() -> None:
    assert re.search(r"^USER pacs$", DOCKERFILE, re.MULTILINE)
    assert 'CMD ["pacs", "health"]' in DOCKERFILE and "VOLUME /data" in DOCKERFILE
    assert DOCKERFILE.rstrip().endswith('CMD ["pacs", "serve"]')


def test_the_container_gets_what_it_copies() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"pacs", "dimse", "dicomweb", "worklist", "storage", "config", "pyproject.toml"} <= let_in
    assert all((ROOT / name).exists() for name in let_in)


def test_every_dependency_is_in_the_notice() -> None:
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    noticed = re.findall(r"^([\w.-]+) {2,}\S", (ROOT / "NOTICE").read_text(), re.MULTILINE)
    assert sorted(pinned) == sorted(noticed)


def test_the_lock_holds_what_the_project_needs() -> None:
    pinned = {
        name.lower().replace("_", "-")
        for name in re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    }
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    needed = re.findall(
        r'^    "([a-z0-9.-]+)', project.split("dependencies = [")[1].split("]\n")[0], re.MULTILINE
    )
    assert needed and set(needed) <= pinned
