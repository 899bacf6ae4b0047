"""What can be wrong with the way the stand-in is asked to work.

UpstreamError
├── BadOptionError      an option or a rate
├── BadFaultError       a rule of the fault script
├── BadRecordingError   a recorded file
└── NotReadyError       the server process did not come up
"""


class UpstreamError(Exception):
    """Base of the stand-in's errors; its text is for people."""


class BadOptionError(UpstreamError):
    """An option or a rate has no meaning."""


class BadFaultError(UpstreamError):
    """A rule of the fault script has no meaning."""


class BadRecordingError(UpstreamError):
    """A recorded file cannot be read or has another shape than its name says."""


class NotReadyError(UpstreamError):
    """The server process did not come up in time."""
