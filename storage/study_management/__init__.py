"""What users do to stored studies: `studies` implements `pacs.ports.StudyManagement`.

`deleting` removes rows at once, `restoring` lists deletions and brings them back; `storage.kept_blobs` holds
the bytes meanwhile.
"""
