"""Settings of the bus: where events go, and who may read them and send requests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the types are read
from typing import Annotated

from streamgenre.bus.endpoints import endpoint_problem
from streamgenre.defaults import ENDPOINT
from streamgenre.limits import Checked, Like, check


@dataclass(frozen=True, slots=True)
class BusSettings:
    """Where events are published, and who may read them and send requests."""

    publish: Annotated[str, Checked(endpoint_problem)] = ENDPOINT
    """ZeroMQ endpoint to publish on; beyond loopback only with keys."""
    encrypt: bool = False
    """Whether only allowed keys may connect on loopback too; beyond it that always holds."""
    keys: Path | None = None
    """Folder of the CURVE keys; None for the user's own."""
    ipc_mode: Annotated[
        str,
        Like("(0|0o)?[67][0-7]{2}", "three octal digits that let the owner read and write: 660"),
    ] = "600"
    """File mode of an ``ipc://`` endpoint, three octal digits."""
    control: Annotated[str, Checked(endpoint_problem)] | None = None
    """ZeroMQ endpoint that takes requests; None for none."""

    def __post_init__(self) -> None:
        check(self)
