"""The edges' own defaults, which tests and tools use, are those of the settings, which users read."""

from __future__ import annotations

import inspect
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest

from config.compose import dimse_settings, limits
from config.settings import Settings
from dimse.client import Destination
from dimse.services.find import FindSettings
from dimse.services.move import Outbound
from dimse.settings import DimseSettings
from pacs.dicom.limits import Limits
from pacs.pixels.fork_server import TaskLimits
from pacs.rendering import Lifetimes
from pacs.study_states import QUIET_PERIOD
from storage.blobs import SpoolLimits
from storage.commits import CommitLimits

SETTINGS = Settings.model_validate({})


def default(of: type, name: str) -> Any:
    return inspect.signature(of).parameters[name].default


@pytest.mark.parametrize(
    ("of", "name", "setting"),
    [
        (SpoolLimits, "max_object", SETTINGS.max_object_size),
        (SpoolLimits, "reserve", SETTINGS.free_space_reserve),
        (CommitLimits, "patience", SETTINGS.database_patience),
        (FindSettings, "max_answers", SETTINGS.max_find_answers),
        (Outbound, "timeout", SETTINGS.destination_timeout),
        (Destination, "timeout", SETTINGS.destination_timeout),
        (TaskLimits, "seconds", SETTINGS.pixel_timeout),
        (TaskLimits, "memory", SETTINGS.pixel_memory),
        (Lifetimes, "thumbnail", SETTINGS.cache_thumbnails),
        (Lifetimes, "preview", SETTINGS.cache_previews),
        (Lifetimes, "full", SETTINGS.cache_full),
    ],
)
def test_defaults_agree(of: type, name: str, setting: object) -> None:
    assert default(of, name) == setting


def test_defaults_of_the_listener_agree() -> None:
    assert dimse_settings(SETTINGS) == DimseSettings()


def test_defaults_of_data_sets_agree() -> None:
    ours, theirs = limits(SETTINGS), Limits()
    installed = {"reserve", "scratch_folder"}  # a library has neither
    for field in fields(Limits):
        if field.name not in installed:
            assert getattr(ours, field.name) == getattr(theirs, field.name), field.name


def test_defaults_of_a_studys_end_agree() -> None:
    assert timedelta(seconds=SETTINGS.quiet_period) == QUIET_PERIOD
