"""The errors of the private stack.

StackError               the text is one line for people
├── FullDiskError        a file cannot be written for lack of room
├── MissingPackageError  a system package is not installed; names it and the command that installs it
└── NotReadyError        a server ended or did not answer in its time; names its log
"""

from common.errors import FeedmillError


class StackError(FeedmillError):
    """The private stack cannot do what was asked; the text is one line for people."""


class FullDiskError(StackError):
    """A file cannot be written for lack of room and is as it was; the text names it."""


class MissingPackageError(StackError):
    """A system package is not installed; the text names it and the command that installs it."""

    def __init__(self, product: str, package: str) -> None:
        super().__init__(f"{product} is not installed (Debian package {package}): sudo apt-get install -y {package}")
        self.package = package


class NotReadyError(StackError):
    """A server ended or did not answer in its time; the text names its log."""
