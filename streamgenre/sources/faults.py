"""Words for an error that ends a source or an attempt to open it."""

from __future__ import annotations

from streamgenre.errors import InputError, StreamgenreError, missing_package
from streamgenre.logger import get_logger
from streamgenre.sources.decoding import error_text

_log = get_logger(__name__)


def fault_text(error: Exception, name: str) -> str:
    """Return what went wrong, for people; never the text of an internal error.

    An internal error is a bug in streamgenre: it is logged with its traceback at debug level.

    Parameters
    ----------
    error
        The error.
    name
        Name of the input, without credentials.
    """
    if missing := missing_package(error):
        return f"{name}: {missing}"
    import av

    if isinstance(error, StreamgenreError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"{name}: there is not enough memory"
    if isinstance(error, OSError | av.FFmpegError):
        return f"{name}: cannot be played ({error_text(error)})"
    _log.debug("%s: internal error", name, exc_info=error)
    return (
        f"{name}: internal error, a bug in streamgenre; please report what `--log-level debug` logs"
    )


def as_input_error(error: Exception, name: str) -> StreamgenreError:
    """Return an error with words for people in place of any other.

    Parameters
    ----------
    error
        The error.
    name
        Name of the input, without credentials.
    """
    if isinstance(error, StreamgenreError):
        return error
    explained = InputError(fault_text(error, name))
    explained.__cause__ = error
    return explained
