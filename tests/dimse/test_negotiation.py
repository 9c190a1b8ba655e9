"""Proposals in, answers out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dimse import sop_classes
from dimse.associate import (
    APPLICATION_CONTEXT_NOT_SUPPORTED,
    PROTOCOL_VERSION_NOT_SUPPORTED,
    AssociateAccept,
    ContextResult,
    ProposedContext,
    Role,
    UserIdentity,
    UserInformation,
)
from dimse.negotiation import Capabilities, Context, Negotiated, QueryOptions, as_requestor, negotiate
from tests.dimse.wire import request

CT = "1.2.840.10008.5.1.4.1.1.2"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
IMPLICIT, EXPLICIT, DEFLATED, BIG = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
)
JPEG = "1.2.840.10008.1.2.4.70"
OURS = Capabilities(
    sop_classes=sop_classes.STORAGE | sop_classes.FIND | sop_classes.GET | {sop_classes.VERIFICATION},
    unknown_storage_classes=True,
    window=32,
    max_length=1 << 18,
    options={FIND: QueryOptions(relational=True, date_time=True)},
)


def negotiated(*contexts: ProposedContext, ours: Capabilities = OURS, **user: Any) -> Negotiated:
    answer = negotiate(request(contexts, **user), ours)
    assert isinstance(answer, Negotiated)
    return answer


@pytest.mark.parametrize(
    ("abstract_syntax", "transfer_syntaxes", "result", "transfer_syntax"),
    [
        (CT, [IMPLICIT, EXPLICIT], 0, IMPLICIT),
        (CT, [EXPLICIT, IMPLICIT], 0, EXPLICIT),
        (CT, [JPEG, IMPLICIT], 0, JPEG),
        (CT, [BIG], 0, BIG),
        (CT, ["1.2.3.4.5"], 0, "1.2.3.4.5"),  # private: kept as sent, decoded by nobody here
        (CT, ["no uid", JPEG], 0, JPEG),
        (CT, ["../../etc"], 4, IMPLICIT),
        (CT, [], 4, IMPLICIT),
        ("1.2.840.10008.5.1.4.1.1.5", [JPEG], 0, JPEG),  # retired: Nuclear Medicine Image Storage
        ("1.3.12.2.1107.5.9.1", [IMPLICIT], 0, IMPLICIT),  # private: CSA Non-Image Storage
        ("garbage", [IMPLICIT], 3, IMPLICIT),
        ("", [IMPLICIT], 3, IMPLICIT),
        (sop_classes.VERIFICATION, [IMPLICIT], 0, IMPLICIT),
        (FIND, [JPEG, DEFLATED, EXPLICIT], 0, DEFLATED),
        (FIND, [BIG], 0, BIG),
        (FIND, [JPEG], 4, IMPLICIT),
        ("1.2.840.10008.5.1.4.1.2.2.2", [IMPLICIT], 3, IMPLICIT),  # C-MOVE, not among ours here
        ("1.2.840.10008.5.1.1.9", [IMPLICIT], 3, IMPLICIT),  # print
        ("1.2.840.10008.1.3.10", [IMPLICIT], 3, IMPLICIT),  # a DICOMDIR
        ("1.2.840.10008.5.1.4.38.1", [IMPLICIT], 3, IMPLICIT),  # hanging protocols are no patient's
    ],
)
def test_contexts(
    abstract_syntax: str, transfer_syntaxes: list[str], result: int, transfer_syntax: str
) -> None:
    answer = negotiated(ProposedContext(1, abstract_syntax, tuple(transfer_syntaxes)))
    assert answer.accept.results == (ContextResult(1, result, transfer_syntax),)
    assert (1 in answer.contexts) is (result == 0)


def test_private_classes_only_when_wanted() -> None:
    answer = negotiated(
        ProposedContext(1, "1.3.12.2.1107.5.9.1", (IMPLICIT,)),
        ours=replace(OURS, unknown_storage_classes=False),
    )
    assert answer.accept.results[0].result == 3


def test_128_contexts_are_answered_in_order() -> None:
    contexts = [ProposedContext(2 * n + 1, CT, (IMPLICIT,)) for n in range(128)]
    answer = negotiated(*contexts)
    assert [result.id for result in answer.accept.results] == list(range(1, 256, 2))
    assert len(answer.contexts) == 128


def test_an_identifier_proposed_twice_means_the_first() -> None:
    answer = negotiated(ProposedContext(1, CT, (JPEG,)), ProposedContext(1, CT, (IMPLICIT,)))
    assert answer.contexts[1].transfer_syntax == JPEG


@pytest.mark.parametrize(
    ("uid", "proposed", "accepted", "is_scp", "is_scu"),
    [
        (CT, None, None, True, False),
        (CT, Role(True, True), Role(True, True), True, True),
        (CT, Role(False, True), Role(False, True), False, True),
        (CT, Role(True, False), Role(True, False), True, False),
        (FIND, Role(True, True), Role(True, False), True, False),
        (FIND, Role(False, True), Role(False, False), False, False),
    ],
)
def test_roles(uid: str, proposed: Role | None, accepted: Role | None, is_scp: bool, is_scu: bool) -> None:
    answer = negotiated(ProposedContext(1, uid, (IMPLICIT,)), roles={uid: proposed} if proposed else {})
    assert answer.accept.user.roles.get(uid) == accepted
    assert (answer.contexts[1].is_scp, answer.contexts[1].is_scu) == (is_scp, is_scu)


def test_nobody_serves_us_where_nothing_is_retrieved() -> None:
    ours = replace(OURS, sop_classes=sop_classes.STORAGE)
    answer = negotiated(ProposedContext(1, CT, (IMPLICIT,)), roles={CT: Role(True, True)}, ours=ours)
    assert answer.accept.user.roles[CT] == Role(True, False)


@pytest.mark.parametrize(
    ("asked", "answered", "window"),
    [
        (None, None, 1),
        ((1, 1), (1, 1), 1),
        ((0, 0), (32, 1), 32),
        ((8, 8), (8, 1), 8),
        ((99, 0), (32, 1), 32),
    ],
)
def test_window(asked: tuple[int, int] | None, answered: tuple[int, int] | None, window: int) -> None:
    answer = negotiated(ProposedContext(1, CT, (IMPLICIT,)), window=asked)
    assert (answer.accept.user.window, answer.window) == (answered, window)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (b"\1\1\1\1", b"\1\1\0\0"),
        (b"\1", b"\1"),
        (b"\0\1\0", b"\0\1\0"),
        (b"", b""),
        (b"\1" * 9, b"\1\1\0\0"),
    ],
)
def test_extended_negotiation(asked: bytes, answered: bytes) -> None:
    answer = negotiated(ProposedContext(1, FIND, (IMPLICIT,)), extended={FIND: asked, CT: b"\2\0\1\0\0\0"})
    assert answer.accept.user.extended == {FIND: answered}
    assert answer.options[FIND].relational is (answered[:1] == b"\1")


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("wanted", [True, False])
def test_user_identity(kind: int, wanted: bool) -> None:
    answer = negotiated(ProposedContext(1, CT, (IMPLICIT,)), identity=UserIdentity(kind, wanted, "anna"))
    assert answer.accept.user.identity_response == (b"" if wanted else None)


def test_wrong_version_and_application() -> None:
    assert negotiate(replace(request(), protocol_version=2), OURS) == PROTOCOL_VERSION_NOT_SUPPORTED
    assert negotiate(replace(request(), protocol_version=3), OURS) != PROTOCOL_VERSION_NOT_SUPPORTED
    assert negotiate(replace(request(), application_context="1.2.3"), OURS) == (
        APPLICATION_CONTEXT_NOT_SUPPORTED
    )


def test_what_a_peer_accepts_that_we_did_not_propose_is_no_context() -> None:
    proposed = [ProposedContext(1, CT, (IMPLICIT,)), ProposedContext(3, CT, (JPEG,))]
    results = (ContextResult(1, 0, JPEG), ContextResult(3, 0, JPEG), ContextResult(5, 0, JPEG))
    assert as_requestor(proposed, AssociateAccept(results, UserInformation())) == (
        Context(3, CT, JPEG, is_scp=False, is_scu=True),
    )
