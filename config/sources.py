"""Where settings come from: flags over environment over `pacs.toml` over defaults.

All faults of all sources are reported together, by key and never with a value.
"""

from __future__ import annotations

import os
import secrets
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from config.setting_types import is_weak_key
from config.settings import PREFIX, Settings, environment_name, is_secret

CONFIG_FILE = Path("pacs.toml")
_FIELDS = tuple(Settings.model_fields)
_SIZE = "must be a size, in bytes or with a unit, such as 256 KiB"
_MEANT = {"byte_size": _SIZE, "byte_size_unit": _SIZE, "bool_parsing": "must be 0 or 1"}


class BadSettings(Exception):
    """Invalid settings; one line for each fault."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__(
            "These settings need your attention:\n" + "\n".join(f"  {fault}" for fault in faults)
        )


def load(
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    config_file: Path = CONFIG_FILE,
) -> tuple[Settings, dict[str, str]]:
    """The settings, and the source of each field. `BadSettings` lists all faults."""
    faults: list[str] = []
    values: dict[str, Any] = {}
    origin = dict.fromkeys(_FIELDS, "default")
    for source, found in (
        (str(config_file), _from_file(config_file, faults)),
        ("environment", _from_environment(os.environ if environ is None else environ, faults)),
        ("flag", {name: value for name, value in (flags or {}).items() if value is not None}),
    ):
        values |= found
        origin |= dict.fromkeys(found, source)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        faults += [_fault(str(each["loc"][0]), each["type"], each["msg"]) for each in error.errors()]
    if faults:
        raise BadSettings(faults)
    return settings.model_copy(update={"data_dir": settings.data_dir.expanduser().resolve()}), origin


def secret_key(settings: Settings) -> str:
    """The configured key, else the one in the data folder, made at the first start (mode 0600)."""
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    kept = settings.data_dir / "secret_key"
    fresh = settings.data_dir / f".secret_key.{os.getpid()}"
    with suppress(FileNotFoundError):
        return _kept_key(kept)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):  # another process was first: its key counts
            os.link(fresh, kept)
    finally:
        fresh.unlink()
    return _kept_key(kept)


def _kept_key(file: Path) -> str:
    """`BadSettings` when it is not whole: with an empty key anybody could sign tokens."""
    key = file.read_text("ascii", "replace").strip()
    if is_weak_key(key):
        raise BadSettings([f"{file} is damaged: remove it, and a new key is made; all must sign in again"])
    return key


def _fault(field: str, kind: str, message: str) -> str:
    """Pydantic's message, reworded for users and without the value, which some messages quote."""
    said = message.removeprefix("Value error, ").replace("Input should be", "must be", 1)
    return f"{environment_name(field)} {_MEANT.get(kind, said.partition(', unable')[0])}"


def _from_file(path: Path, faults: list[str]) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        faults.append(f"{path} cannot be read: {error}")
        return {}
    unknown = [name for name in found if name not in _FIELDS]
    faults.extend(f"{path}: there is no setting `{name}`" for name in unknown)
    return {name: value for name, value in found.items() if name in _FIELDS}


def _from_environment(environ: Mapping[str, str], faults: list[str]) -> dict[str, Any]:
    """An empty variable counts as absent: Compose files pass unset ones as empty."""
    by_name = {environment_name(field): field for field in _FIELDS}
    by_file_name = {f"{environment_name(field)}_FILE": field for field in _FIELDS if is_secret(field)}
    found: dict[str, Any] = {}
    for name, value in environ.items():
        if not name.startswith(PREFIX) or not value:
            continue
        if name in by_name:
            found[by_name[name]] = value
        elif name in by_file_name:
            if environ.get(name.removesuffix("_FILE")):
                faults.append(f"{name} and {name.removesuffix('_FILE')} are both set; choose one")
            else:
                found |= _secret_file(name, by_file_name[name], Path(value), faults)
        else:
            faults.append(f"{name} is not a setting; `pacs config show` lists them all")
    return found


def _secret_file(name: str, field: str, path: Path, faults: list[str]) -> dict[str, Any]:
    try:
        return {field: path.read_text("utf-8").strip()}
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        faults.append(f"{name} cannot be read: {reason}")
        return {}
