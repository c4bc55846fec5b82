"""What one web process serves; the daemon hands it over as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from streamgenre.config.web import WebSettings
from streamgenre.history.places import Server


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """Settings of one web process."""

    web: WebSettings = field(default_factory=WebSettings)
    """The settings of ``[web]``."""
    connect: tuple[str, ...] = ()
    """Endpoints of the daemons; empty to show the history only."""
    server_key: tuple[str, ...] = ()
    """Public keys of the daemons, one for all or one each; empty for no encryption."""
    keys: Path | None = None
    """Folder of the own keys; None for the user's."""
    stations: tuple[str, ...] = ()
    """Names of the stations to show; empty for all."""
    control: str | None = None
    """Control endpoint of the daemon; None if it takes no requests."""
    history: Path | Server | None = None
    """The history file or database; None to show none. It may not exist yet."""

    clips: Path | None = None
    """Folder of the clips that can be labelled; None to show none. It may not exist yet."""

    def to_json(self) -> str:
        """Return the settings as one line of JSON."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> SiteSettings:
        """Return the settings that :meth:`to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        web = values.pop("web")
        if web["login_file"] is not None:
            web["login_file"] = Path(web["login_file"])
        for each in fields(cls):
            value = values.get(each.name)
            if isinstance(value, list):
                values[each.name] = tuple(value)
            elif each.name == "history" and isinstance(value, dict):
                values["history"] = Server(**value)
            elif each.name in ("keys", "history", "clips") and value is not None:
                values[each.name] = Path(value)
        return cls(web=WebSettings(**web), **values)
