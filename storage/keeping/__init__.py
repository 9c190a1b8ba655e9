"""What users do to stored studies: `studies` implements `pacs.ports.Keeping`.

`deleting` removes rows at once, `restoring` lists deletions and brings them back; `kept` holds the bytes
meanwhile, and those of uploads until they are stored.
"""
