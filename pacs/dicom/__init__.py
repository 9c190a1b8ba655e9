"""DICOM bytes, read as they occur and written as they should be (PS3.5, PS3.10, PS3.18 Annex F).

From bytes: `source` is where they come from, `reader` lists their elements (`listing`, `fragments`) as a
`header`, `values` and `charset` decode them, `frames` finds the pixels. To bytes: `encoding`, `writer`,
`part10`; `convert` from one transfer syntax to another, as `choice` chose. `json` and `from_json` are the
DICOM JSON Model. `limits`, `element_budget` and `scratch` bound what all of it takes.
"""
