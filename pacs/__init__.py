"""What an archive is: values, rules and operations; imports no sibling package."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("lightbox-pacs")
except PackageNotFoundError:  # running from a bare checkout
    __version__ = "0.1.0"
