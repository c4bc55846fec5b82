"""Everything that the handlers of one web process share."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streamgenre.web.rate_limit import RateLimit

if TYPE_CHECKING:
    from jinja2 import Environment

    from streamgenre.config.site import SiteSettings
    from streamgenre.history.readers import Readers
    from streamgenre.web.auth import Auth
    from streamgenre.web.feed import Feed
    from streamgenre.web.hub import Hub
    from streamgenre.web.spectra import Spectra
    from streamgenre.web.texts import Texts


@dataclass(slots=True)
class Site:
    """One web process: ``request.app.state.site``."""

    settings: SiteSettings
    hub: Hub
    feed: Feed | None
    """Reads the daemon; None if only the history is shown."""
    auth: Auth
    spectra: Spectra
    """The spectra that are looked at."""
    templates: Environment
    texts: Texts
    readers: Readers | None = None
    """Reads the history; None if none is shown."""
    login_attempts: RateLimit = field(default_factory=RateLimit)
    document: dict[str, Any] = field(default_factory=dict)
    """The OpenAPI document."""
    started: float = field(default_factory=time.monotonic)
    """Start of the process in monotonic seconds."""

    def not_ready(self) -> list[str]:
        """Return why the page cannot show what it should, in words; empty if it can."""
        if self.feed is not None and not self.feed.alive:
            return ["the thread that reads the daemon has ended"]
        return self.hub.not_ready()

    @property
    def can_control(self) -> bool:
        """Whether the page may change the daemon."""
        return self.settings.web.allow_control and self.settings.control is not None

    def url(self, path: str) -> str:
        """Return a path of this site as browsers need it, with the prefix of the proxy."""
        return self.settings.web.prefix + path
