"""Documents generated from the code by `make docs`; a test compares them.

README's tables of settings and roles, `.env.example` and the conformance statement.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from pydantic import ByteSize

import pacs
from config.settings import Settings, environment_name, is_secret
from pacs.rights import ROLES, Right

ROOT = Path(__file__).resolve().parents[1]
_BEGIN, _END = "<!-- {}: begin -->", "<!-- {}: end -->"

_BY_MACHINE = {"pixel_processes": "4", "processes_dimse": "2", "processes_http": "2"}
"""Defaults that depend on the machine."""


def shown(field: str, value: Any) -> str:
    """A value as it is written in the environment."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, ByteSize):
        return value.human_readable(separator=" ").replace(".0 ", " ") if value else "0"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def default(field: str) -> str:
    if field in _BY_MACHINE:
        return _BY_MACHINE[field]
    value = shown(field, Settings.model_fields[field].default)
    return f"./{value}" if field == "data_dir" else value


def settings_table() -> str:
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for field, info in Settings.model_fields.items():
        about = (info.description or "").replace("|", "\\|") + (" (secret)" if is_secret(field) else "")
        said = f"`{default(field)}`" if default(field) else ""
        rows.append(f"| `{environment_name(field)}` | {said} | {about} |")
    return "\n".join(rows)


def env_example() -> str:
    lines = [
        "# Every setting, with its default. Docker Compose reads this file as `.env`; `pacs serve` reads the",
        "# environment and `pacs.toml` (the same names in lower case, without PACS_).",
        "",
        "# Passwords of the two stores in compose.yaml: letters and digits (`openssl rand -hex 24`).",
        "POSTGRES_PASSWORD=",
        "OBJECTS_PASSWORD=",
    ]
    for field, info in Settings.model_fields.items():
        also = f" Or {environment_name(field)}_FILE: the path of a file with it." if is_secret(field) else ""
        lines += [
            "",
            *textwrap.wrap(f"{info.description}.{also}", 98, initial_indent="# ", subsequent_indent="# "),
        ]
        lines.append(f"#{environment_name(field)}={default(field)}")
    return "\n".join(lines) + "\n"


def roles_table() -> str:
    rows = ["| role | " + " | ".join(Right) + " |", "|---" * (len(Right) + 1) + "|"]
    for role, rights in ROLES.items():
        rows.append(f"| {role} | " + " | ".join("✓" if right in rights else "" for right in Right) + " |")
    return "\n".join(rows)


def readme(text: str) -> str:
    for name, table in (("settings", settings_table()), ("roles", roles_table())):
        begin, end = _BEGIN.format(name), _END.format(name)
        head, rest = text.split(begin)
        text = f"{head}{begin}\n{table}\n{end}{rest.split(end)[1]}"
    return text


def conformance_statement(settings: Settings | None = None) -> str:
    """For these settings, else for the defaults."""
    from config.compose import dimse_settings
    from config.compose_http import search_settings
    from dicomweb.conformance import web_services
    from dimse import conformance

    given = settings or Settings.model_validate({})
    described = conformance.Described(
        pacs.__version__,
        given.ae_title,
        dimse_settings(given),
        given.max_find_answers,
        given.destination_timeout,
    )
    return f"{conformance.conformance_statement(described)}\n{web_services(search_settings(given))}\n"


def written() -> dict[Path, str]:
    """Each generated file and its content."""
    return {
        ROOT / "README.md": readme((ROOT / "README.md").read_text("utf-8")),
        ROOT / ".env.example": env_example(),
        ROOT / "docs" / "dicom-conformance.md": conformance_statement(),
    }


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text, "utf-8")
