"""What an archive is: values, rules and operations; imports no sibling package.

Begin at `archive` (find, open), `receiving` and `model` (what it exchanges with others). `ports` says what it
needs of its storage, `attributes` and `archive_attributes` what is searched for, `errors` what can go wrong.

An arriving object: `ingest`, `prepared`, `capture`, `subject`, `uploaded_file`. An object on its way out:
`part10_file`, `transcoding`, `framing`, `bulk`, `metadata`, `rendering`, `structured_report`. What becomes
of studies: `study_states`, `study_management`, `feed`. Who may do what: `actor`, `access`, `accounts`,
`sign_in`, `passwords`, `rights`.

Packages of their own: `dicom` knows bytes, `pixels` images, `search` queries, `jobs` background work;
`http` is what all HTTP edges share.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("lightbox-pacs")
except PackageNotFoundError:  # running from a bare checkout
    __version__ = "0.1.0"
