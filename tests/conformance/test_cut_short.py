"""Objects that were cut off in their pixel data: refused everywhere, so that the whole one can come."""

from __future__ import annotations

import httpx
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.conformance.raw import send_bytes
from tests.conformance.senders import small_ct, wire_bytes
from tests.conformance.server import Server
from tests.conformance.test_rest import as_file
from tests.conformance.test_uploads import finished, upload


def stored(web: httpx.Client, ds: Dataset) -> int:
    return len(web.get("/dicom-web/instances", params={"SOPInstanceUID": ds.SOPInstanceUID}).json())


def test_it_is_refused_until_it_comes_whole(server: Server) -> None:
    ds = small_ct(generate_uid(), generate_uid())
    announced = (ds.SOPClassUID, ds.SOPInstanceUID, ds.file_meta.TransferSyntaxUID)
    with server.web() as web:
        assert send_bytes(server.dimse_port, announced, wire_bytes(ds)[:-2]) == 0xC000

        dicom = {"Content-Type": "application/dicom"}
        answer = web.post("/dicom-web/studies", content=as_file(ds)[:-2], headers=dicom)
        assert answer.status_code == 409
        (failed,) = answer.json()["00081198"]["Value"]
        assert failed["00081197"]["Value"] == [0xC000]
        assert "complete" in failed["00000902"]["Value"][0]

        begun = upload(web, "uploads", {"cut.dcm": as_file(ds)[:-2]})
        (refused,) = finished(web, begun["task_id"])["failed"]
        assert (refused["name"], refused["code"]) == ("cut.dcm", "CUT_SHORT")

        assert stored(web, ds) == 0
        assert send_bytes(server.dimse_port, announced, wire_bytes(ds)) == 0x0000
        assert stored(web, ds) == 1


def test_pixels_that_are_fewer_than_said_are_the_sender_s_own(server: Server) -> None:
    """Their value is whole: nobody has a better one."""
    ds = small_ct(generate_uid(), generate_uid())
    ds.PixelData = ds.PixelData[:-2]
    with server.web() as web:
        announced = (ds.SOPClassUID, ds.SOPInstanceUID, ds.file_meta.TransferSyntaxUID)
        assert send_bytes(server.dimse_port, announced, wire_bytes(ds)) == 0x0000
        assert stored(web, ds) == 1
