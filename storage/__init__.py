"""Disk and database: the implementations of `pacs.ports`.

Begin at `database` (transactions), `tables` (the schema) and `index` (what the archive calls).
`entering` stores an instance, `search` finds it again, `study_management` changes, removes and restores
studies; `feeds` writes the audit trail, events and jobs of every transaction. `blobs` holds the bytes,
`accounts` who may enter, `jobs` the background work, `upkeep` what keeps all of it sound.
"""
