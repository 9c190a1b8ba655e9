"""The REST API under `/api/v1` (PS3.18 is `dicomweb`'s): one module a resource, assembled by `api`.

Shared by all: `parameters` and `bodies` read requests strictly, `shapes` and `answers` write responses.
"""
