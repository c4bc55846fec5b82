"""streamgenre: a live music-genre classifier.

Other programs need only :class:`Subscriber`::

    from streamgenre import Subscriber

    for event in Subscriber(types=["update"]):
        print(event.station, event.genre, event.confidence)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamgenre.client.subscriber import Subscriber

__version__ = "0.1.0"
__all__ = ["Subscriber", "__version__"]


def __getattr__(name: str) -> object:
    # Loaded on first use: `streamgenre --help` must not wait for ZeroMQ.
    if name == "Subscriber":
        from streamgenre.client.subscriber import Subscriber

        return Subscriber
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
