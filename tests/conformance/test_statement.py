"""The conformance statement says what is really accepted over a socket, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context
from pynetdicom.sop_class import (
    BasicFilmSession,
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelGet,
)

from dimse import sop_classes
from dimse.conformance import STATUSES, Described, conformance_statement
from dimse.models import OPTIONS
from dimse.negotiation import IDENTIFIER_SYNTAXES
from dimse.sending import Sending
from dimse.services import find, get, move
from dimse.services.find import FindSettings
from dimse.services.move import Outbound
from pacs.actor import Actor
from pacs.attributes import TABLE
from pacs.errors import DatabaseUnavailable
from pacs.model import StoredInstance
from pacs.pixels.decode import CODECS, DECODABLE, decode
from pacs.search.query import Query
from pacs.transcoding import Codecs, Transcoder
from tests.dimse.holdings import Holdings
from tests.dimse.world import Register, World, running

STATEMENT = conformance_statement(Described("1.0", "PACS"))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    holdings = Holdings()
    sending = Sending(holdings, Transcoder(Codecs(DECODABLE, decode)))
    services = (
        find.service(holdings, FindSettings("PACS")),
        get.service(sending),
        move.service(sending, Outbound(Register(), "PACS")),
    )
    with running(services=services, options=OPTIONS) as started:
        yield started


def said(role: str) -> list[str]:
    return re.findall(rf"^\| [^|]+ \| `([0-9.]+)` \| {role} \|$", STATEMENT, re.MULTILINE)


def accepted(world: World, classes: list[str], syntaxes: list[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(classes), 128):
        ae = AE()
        ae.requested_contexts = [build_context(uid, syntaxes) for uid in classes[start : start + 128]]
        association = ae.associate("127.0.0.1", world.port, ae_title="PACS")
        assert association.is_established
        found |= {str(context.abstract_syntax) for context in association.accepted_contexts}
        association.release()
    return found


def test_every_class_said_is_accepted(world: World) -> None:
    storage, others = said("SCP; SCU"), said("SCP")
    assert set(storage) == sop_classes.STORAGE
    assert set(others) == {
        sop_classes.VERIFICATION, *sop_classes.FIND, *sop_classes.MOVE, *sop_classes.GET,
    }  # fmt: skip
    assert accepted(world, storage, ["1.2.840.10008.1.2.4.90"]) == set(storage)
    for syntax in IDENTIFIER_SYNTAXES:
        assert f"`{syntax}`" in STATEMENT
        assert accepted(world, others, [syntax]) == set(others)


def test_a_class_not_said_is_not_accepted(world: World) -> None:
    others = [BasicFilmSession, ModalityPerformedProcedureStep, StorageCommitmentPushModel]
    assert not any(f"`{uid}`" in STATEMENT for uid in others)
    ae = AE()
    ae.requested_contexts = [build_context(uid) for uid in [*others, sop_classes.VERIFICATION]]
    association = ae.associate("127.0.0.1", world.port, ae_title="PACS")
    assert [context.abstract_syntax for context in association.accepted_contexts] == [
        sop_classes.VERIFICATION
    ]
    association.release()


def test_it_has_every_key_and_every_codec() -> None:
    for attribute in TABLE:
        tag = f"({attribute.tag >> 16:04X},{attribute.tag & 0xFFFF:04X})"
        assert f"| {tag} | {attribute.keyword} | {attribute.vr} | {attribute.key.value} |" in STATEMENT
    for uid in CODECS:
        assert f"`{uid}`" in STATEMENT


class Unavailable(Holdings):
    def locate(self, actor: Actor, query: Query) -> Iterator[StoredInstance]:
        raise DatabaseUnavailable


def test_it_has_the_status_of_a_retrieval_without_a_database() -> None:
    sending = Sending(Unavailable(), Transcoder(Codecs(DECODABLE, decode)))
    with running(services=(get.service(sending),), options=OPTIONS) as started:
        ae = AE()
        ae.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
        association = ae.associate("127.0.0.1", started.port, ae_title="PACS")
        wanted = Dataset()
        wanted.QueryRetrieveLevel, wanted.StudyInstanceUID = "STUDY", "1.2.3"
        [(final, _)] = association.send_c_get(wanted, StudyRootQueryRetrieveInformationModelGet)
        association.release()
    assert final.Status in STATUSES["C-GET"]


def test_it_has_every_status_of_the_tables() -> None:
    for statuses in STATUSES.values():
        for status, meaning in statuses.items():
            assert f"| {status:04X} | {meaning} |" in STATEMENT


def test_tables_are_whole() -> None:
    """As many cells in each row as in the row above."""
    tables = re.findall(r"(?:^\|.*\|\n)+", STATEMENT, re.MULTILINE)
    assert len(tables) > 10
    for block in tables:
        assert len({row.count("|") for row in block.splitlines()}) == 1, block
