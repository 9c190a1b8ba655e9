"""A-ASSOCIATE from one table: there and back, against pynetdicom, cut off anywhere, with strange items."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import build_context

from dimse.associate import (
    CALLING_NOT_RECOGNISED,
    AssociateAccept,
    AssociateRequest,
    ContextResult,
    ProposedContext,
    Role,
    UserIdentity,
    UserInformation,
)
from dimse.associate_codec import (
    BadAssociate,
    decode_accept,
    decode_reject,
    decode_request,
    encode_accept,
    encode_reject,
    encode_request,
)
from dimse.pdu import PduType, frame

CT = "1.2.840.10008.5.1.4.1.1.2"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
SYNTAXES = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")

USERS = {
    "least": UserInformation(16384, "1.2.3"),
    "version": UserInformation(0, "1.2.3", "VERSION"),
    "window": UserInformation(16384, "1.2.3", window=(0, 8)),
    "roles": UserInformation(16384, "1.2.3", roles={CT: Role(True, True), "1.2": Role(False, True)}),
    "extended": UserInformation(16384, "1.2.3", extended={FIND: b"\1\1\0\0"}),
    "identity": UserInformation(16384, "1.2.3", identity=UserIdentity(1, True, "jürgen")),
    "identity response": UserInformation(16384, "1.2.3", identity_response=b""),
}
REQUESTS = {
    name: AssociateRequest("PACS", "CALLER", (ProposedContext(1, CT, SYNTAXES),), user)
    for name, user in USERS.items()
} | {
    "128 contexts": AssociateRequest(
        "A" * 16,
        "B",
        tuple(ProposedContext(2 * n + 1, f"1.2.{n}", SYNTAXES) for n in range(128)),
        USERS["least"],
    ),
    "no contexts": AssociateRequest("PACS", "CALLER", (), USERS["least"]),
    "no syntaxes": AssociateRequest("PACS", "CALLER", (ProposedContext(1, CT, ()),), USERS["least"]),
}
RESULTS = (ContextResult(1, 0, SYNTAXES[0]), ContextResult(3, 4, "1.2"))
ACCEPTS = {name: AssociateAccept(RESULTS, user) for name, user in USERS.items()}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_request_there_and_back(request_: AssociateRequest) -> None:
    assert decode_request(encode_request(request_)) == request_


@pytest.mark.parametrize("accept", ACCEPTS.values(), ids=ACCEPTS)
def test_accept_there_and_back(accept: AssociateAccept) -> None:
    assert decode_accept(encode_accept(accept)) == accept


def test_reject_there_and_back() -> None:
    assert decode_reject(encode_reject(CALLING_NOT_RECOGNISED)) == CALLING_NOT_RECOGNISED
    theirs = A_ASSOCIATE_RJ()
    theirs.decode(frame(PduType.A_ASSOCIATE_RJ, encode_reject(CALLING_NOT_RECOGNISED)))
    assert (theirs.result, theirs.source, theirs.reason_diagnostic) == (1, 1, 3)


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_pynetdicom_reads_our_request(request_: AssociateRequest) -> None:
    theirs = A_ASSOCIATE_RQ()
    theirs.decode(frame(PduType.A_ASSOCIATE_RQ, encode_request(request_)))
    assert (theirs.called_ae_title, theirs.calling_ae_title) == (request_.called, request_.calling)
    assert [
        ProposedContext(c.context_id, str(c.abstract_syntax), tuple(map(str, c.transfer_syntax)))
        for c in theirs.presentation_context
    ] == list(request_.contexts)
    assert theirs.user_information.maximum_length == request_.user.max_length
    window = theirs.user_information.async_ops_window
    assert request_.user.window == (
        window and (window.maximum_number_operations_invoked, window.maximum_number_operations_performed)
    )
    roles = theirs.user_information.role_selection
    assert {str(uid): Role(bool(r.scu_role), bool(r.scp_role)) for uid, r in roles.items()} == dict(
        request_.user.roles
    )


@pytest.mark.parametrize("accept", ACCEPTS.values(), ids=ACCEPTS)
def test_pynetdicom_reads_our_accept(accept: AssociateAccept) -> None:
    theirs = A_ASSOCIATE_AC()
    theirs.decode(frame(PduType.A_ASSOCIATE_AC, encode_accept(accept)))
    assert [
        ContextResult(c.context_id, c.result, str(c.transfer_syntax)) for c in theirs.presentation_context
    ] == list(accept.results)


def pynetdicom_request() -> bytes:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = "THEM", "US"
    context = build_context(CT, list(SYNTAXES))
    context.context_id = 1
    primitive.presentation_context_definition_list = [context]
    length = MaximumLengthNotification()
    length.maximum_length_received = 12345
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = "1.2.3.4"
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked, window.maximum_number_operations_performed = 5, 7
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = CT, False, True
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = FIND, b"\1\0\1"
    identity = UserIdentityNegotiation()
    identity.user_identity_type, identity.primary_field = 2, b"anna"
    identity.secondary_field, identity.positive_response_requested = b"secret", True
    primitive.user_information = [length, implementation, window, role, extended, identity]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return pdu.encode()[6:]


def test_we_read_pynetdicoms_request() -> None:
    assert decode_request(pynetdicom_request()) == AssociateRequest(
        "US",
        "THEM",
        (ProposedContext(1, CT, SYNTAXES),),
        UserInformation(
            12345,
            "1.2.3.4",
            window=(5, 7),
            roles={CT: Role(False, True)},
            extended={FIND: b"\1\0\1"},
            identity=UserIdentity(2, True, "anna"),
        ),
    )


def test_passcodes_and_tickets_are_forgotten_at_once() -> None:
    assert "secret" not in repr(decode_request(pynetdicom_request()))


def test_unknown_items_are_ignored() -> None:
    request = REQUESTS["window"]
    strange = b"\x99\0\0\x03abc"
    assert decode_request(encode_request(request) + strange) == request


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_cut_off_anywhere_is_refused_or_read(request_: AssociateRequest) -> None:
    encoded = encode_request(request_)
    for end in range(0, len(encoded), max(1, len(encoded) // 500)):
        try:
            decode_request(encoded[:end])
        except BadAssociate:
            continue


@given(st.integers(0), st.binary(min_size=1, max_size=8))
def test_changed_anywhere_is_refused_or_read(where: int, what: bytes) -> None:
    encoded = pynetdicom_request()
    where %= len(encoded)
    for decode in (decode_request, decode_accept):
        try:
            decode(encoded[:where] + what + encoded[where + len(what) :])
        except BadAssociate:
            continue


def test_more_than_128_contexts_are_refused() -> None:
    contexts = tuple(ProposedContext(1, CT, SYNTAXES) for _ in range(129))
    with pytest.raises(BadAssociate):
        decode_request(encode_request(AssociateRequest("A", "B", contexts, USERS["least"])))


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"PACS\0\0\0\0", "PACS"),
        (b"  PACS  ", "PACS"),
        (b"A B", "A B"),
        (b"A\nB\\C", "A?B?C"),
        (b"pacs", "pacs"),
    ],
)
def test_titles_lose_padding_and_what_could_forge_a_log_line(sent: bytes, read: str) -> None:
    encoded = encode_request(REQUESTS["least"])
    assert decode_request(encoded[:4] + sent.ljust(16) + encoded[20:]).called == read


def test_an_acceptance_returns_the_titles_as_they_came() -> None:
    """PS3.8 Table 9-17. Some peers compare them."""
    encoded = bytearray(encode_request(REQUESTS["least"]))
    encoded[4:68] = b"PACS".ljust(16, b"\0") + b" CALLER".ljust(16) + b"r" * 32
    received = decode_request(bytes(encoded))
    assert (received.called, received.calling) == ("PACS", "CALLER")
    accept = AssociateAccept(RESULTS, USERS["least"], received.returned)
    assert encode_accept(accept)[4:68] == encoded[4:68]
