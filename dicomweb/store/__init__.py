"""The Store transaction, STOW-RS (PS3.18 §10.5).

`stow` takes a request in. Instances come as PS3.10 files (`file_sink`) or as metadata with bulk data
(`metadata`, `bulk_parts`, `completion`). `report` writes the response.
"""
