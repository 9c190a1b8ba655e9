"""C-ECHO and C-STORE with peers that others wrote: DCMTK's tools and pynetdicom."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLosslessSV1
from pynetdicom import AE, build_role
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)

from dimse.client import Destination, open_association, proposals
from dimse.command import CommandField
from dimse.ended import ConnectionLost
from dimse.operation import OutgoingInstance, Service
from dimse.sop_classes import FIND, GET, STORAGE, VERIFICATION
from dimse.status import SUCCESS
from tests.conformance.server import free_port
from tests.dimse.world import CT_IMAGE_STORAGE, EXPLICIT, World, running
from tests.programs import needs

CT_FILE = Path(str(get_testdata_file("CT_small.dcm")))
PADDING = b"\xfc\xff\xfc\xffOB"  # Data Set Trailing Padding, explicit VR
COMPRESSED = (
    "SC_rgb_jpeg_gdcm.dcm",
    "MR_small_RLE.dcm",
    "JPEG2000.dcm",
    "MR_small_bigendian.dcm",
    "image_dfl.dcm",
)

needs_dcmtk = needs("storescu")


@pytest.fixture
def world() -> Iterator[World]:
    nothing = (
        Service(CommandField.C_FIND_RQ, "find", FIND, lambda operation: operation.respond(SUCCESS)),
        Service(CommandField.C_GET_RQ, "get", GET, lambda operation: operation.respond(SUCCESS)),
    )
    with running(services=nothing) as running_world:
        yield running_world


def dcmtk(tool: str, world: World, *arguments: str | Path) -> None:
    command = [tool, "-aec", "PACS", "127.0.0.1", str(world.port), *map(str, arguments)]
    subprocess.run(command, check=True, timeout=60, capture_output=True)


def data_set_of(path: Path) -> bytes:
    """The bytes behind the file meta information, less the padding that DCMTK does not send."""
    meta = dcmread(path, stop_before_pixels=True).file_meta
    return path.read_bytes()[144 + meta.FileMetaInformationGroupLength :].partition(PADDING)[0]


# --- DCMTK -------------------------------------------------------------------------------------


@needs_dcmtk
def test_echoscu(world: World) -> None:
    dcmtk("echoscu", world, "--repeat", "3")
    dcmtk("echoscu", world, "--propose-pc", "128", "--propose-ts", "38")
    assert world.observer.operations == [("C_ECHO", 0)] * 4


@needs_dcmtk
@pytest.mark.parametrize("max_send", ["4096", "16384", "131072"])
def test_storescu(world: World, max_send: str) -> None:
    dcmtk("storescu", world, "--required", "--max-send-pdu", max_send, CT_FILE)
    [kept] = world.archive.kept
    assert kept.data_set == data_set_of(CT_FILE)
    assert kept.transfer_syntax == ExplicitVRLittleEndian


@needs_dcmtk
@pytest.mark.parametrize("option", ["-xv", "-xw", "-xr", "-xd", "-xb", "-xi"])
def test_storescu_proposes_what_it_likes(world: World, option: str) -> None:
    files = {"-xv": "MR_small_jp2klossless.dcm", "-xw": "JPEG2000.dcm", "-xr": "MR_small_RLE.dcm"}
    path = Path(str(get_testdata_file(files.get(option, "CT_small.dcm"))))
    dcmtk("storescu", world, "--required", option, path)
    assert len(world.archive.kept) == 1


@needs_dcmtk
def test_parallel_senders(world: World) -> None:
    command = ["storescu", "-aec", "PACS", "--repeat", "5", "127.0.0.1", str(world.port), str(CT_FILE)]
    senders = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(4)]
    assert [sender.wait(120) for sender in senders] == [0] * 4
    assert {kept.data_set for kept in world.archive.kept} == {data_set_of(CT_FILE)}
    assert len(world.archive.kept) == 20


@needs_dcmtk
def test_storescu_aborts(world: World) -> None:
    dcmtk("storescu", world, "--abort", CT_FILE)
    assert len(world.archive.kept) == 1


@needs_dcmtk
def test_we_store_into_storescp(tmp_path: Path) -> None:
    port = free_port()
    with subprocess.Popen(["storescp", "--output-directory", tmp_path, str(port)]) as storescp:
        try:
            store_when_it_listens(port, data_set_of(CT_FILE))
        finally:
            storescp.terminate()
    [written] = tmp_path.iterdir()
    assert data_set_of(written) == data_set_of(CT_FILE)


def store_when_it_listens(port: int, data_set: bytes) -> None:
    destination = Destination("127.0.0.1", port, called="STORESCP", calling="PACS")
    wanted = proposals([(VERIFICATION, [ImplicitVRLittleEndian]), (CT_IMAGE_STORAGE, [EXPLICIT])])
    uid = dcmread(CT_FILE, stop_before_pixels=True).SOPInstanceUID
    while True:
        try:
            association = open_association(destination, wanted)
        except ConnectionLost:
            time.sleep(0.05)
        else:
            break
    with association:
        assert association.echo() == 0
        [context] = association.contexts_for(CT_IMAGE_STORAGE)
        assert association.store(context, OutgoingInstance(CT_IMAGE_STORAGE, uid, [data_set])).status == 0


# --- pynetdicom --------------------------------------------------------------------------------


def associated(world: World, ae: AE, **arguments: object) -> Association:
    association = ae.associate(world.host, world.port, ae_title="PACS", **arguments)
    assert association.is_established
    return association


@pytest.mark.parametrize("max_pdu", [0, 1000, 16382, 1 << 20])
def test_pynetdicom_stores(world: World, max_pdu: int) -> None:
    ae = AE("PYNETDICOM")
    ae.add_requested_context(CT_IMAGE_STORAGE, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    association = associated(world, ae, max_pdu=max_pdu)
    dataset = dcmread(CT_FILE)
    assert association.send_c_store(dataset).Status == 0
    association.release()
    [kept] = world.archive.kept
    assert (kept.sop_instance_uid, kept.actor.name) == (dataset.SOPInstanceUID, "PYNETDICOM")


@pytest.mark.parametrize("name", COMPRESSED)
def test_every_transfer_syntax_as_sent(world: World, name: str) -> None:
    path = Path(str(get_testdata_file(name)))
    dataset = dcmread(path)
    syntax = dataset.file_meta.TransferSyntaxUID
    ae = AE("PYNETDICOM")
    ae.add_requested_context(dataset.SOPClassUID, syntax)
    association = associated(world, ae)
    assert association.send_c_store(path).Status == 0
    association.release()
    assert world.archive.kept[0].transfer_syntax == syntax


def test_128_contexts(world: World) -> None:
    classes = sorted(STORAGE)[:126]
    ae = AE("PYNETDICOM")
    for uid in (VERIFICATION, *classes, "1.3.6.1.4.1.99999.1"):
        ae.add_requested_context(uid, [JPEGLosslessSV1, ImplicitVRLittleEndian])
    association = associated(world, ae)
    accepted = {str(context.abstract_syntax): context for context in association.accepted_contexts}
    assert len(accepted) == 128
    assert accepted[VERIFICATION].transfer_syntax == [ImplicitVRLittleEndian]
    assert {str(c.transfer_syntax[0]) for uid, c in accepted.items() if uid in STORAGE} == {JPEGLosslessSV1}
    assert association.send_c_echo().Status == 0
    association.release()


def test_roles_for_c_get(world: World) -> None:
    ae = AE("PYNETDICOM")
    ae.add_requested_context(CT_IMAGE_STORAGE, ImplicitVRLittleEndian)
    association = associated(world, ae, ext_neg=[build_role(CT_IMAGE_STORAGE, scp_role=True)])
    [context] = association.accepted_contexts
    assert (context.as_scu, context.as_scp) == (False, True)
    association.release()


def test_user_identity_extended_negotiation_and_window(world: World) -> None:
    identity = UserIdentityNegotiation()
    identity.user_identity_type, identity.primary_field, identity.secondary_field = 2, b"anna", b"secret"
    identity.positive_response_requested = True
    [find] = [uid for uid in FIND if uid.endswith("2.2.1")]
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = find, b"\1\1\1\1"
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = window.maximum_number_operations_performed = 5
    ae = AE("PYNETDICOM")
    ae.add_requested_context(find, ImplicitVRLittleEndian)
    association = associated(world, ae, ext_neg=[identity, extended, window])
    acceptor = association.acceptor
    assert acceptor.user_identity is not None
    assert acceptor.sop_class_extended == {find: b"\1\1\0\0"}
    assert acceptor.asynchronous_operations == (5, 1)
    association.release()
