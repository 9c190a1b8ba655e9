"""Disk and database: the implementations of `pacs.ports`.

Begin at `database` (transactions), `tables` (the schema) and `index` (what the archive calls).
`entering` stores an instance, `search` finds it again, `deleting` and `restoring` remove it and bring it
back; `feeds` writes the audit trail, events and jobs of every transaction. `blobs` holds the bytes,
`jobs` the background work, `upkeep` what keeps both sound.
"""
