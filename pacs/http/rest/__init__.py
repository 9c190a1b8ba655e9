"""The REST API under `/api/v1` (PS3.18 is `dicomweb`'s): one module for each resource, assembled by `api`.

Shared by all: `parameters` and `bodies` read requests strictly, `in_path` finds what a path names, `listing`
pages; `shapes` and `answers` write responses.
"""

ROOT = "/api/v1"
