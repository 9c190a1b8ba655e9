"""The DICOM network edge: upper layer, associations, service classes (PS3.7, PS3.8).

From the socket upwards: `transport` connects, `connection` drives `upper_layer` (`pdu`, `states`), `message`
assembles DIMSE messages (`command`), `association` serves one peer on one thread, `serving` runs its
requests, and `services` answers them, partly in the `background`, and `apart` where the database may keep
them waiting. `server` listens; `client` opens associations of our own. `negotiation` and `models` say what
is accepted; `ended` and `flag` say how an association and the server end.
"""
