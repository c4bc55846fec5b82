"""The web page beside the daemon: a process of its own, started, watched and restarted here.

The daemon binds the address and serves nothing itself: an address in use is found at the start, and
browsers that come while the process restarts wait instead of being refused. Whatever happens to the
process, listening goes on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.bus.endpoints import http_address, local_endpoint
from streamgenre.bus.keys import read_pair
from streamgenre.config.site import SiteSettings
from streamgenre.config.web import check_exposed
from streamgenre.daemon.sinks import Sink
from streamgenre.ending import end_process, has_ended
from streamgenre.errors import SettingsError
from streamgenre.logger import get_logger
from streamgenre.sources.backoff import Backoff
from streamgenre.system.listening import address_of, listen_on

if TYPE_CHECKING:
    import socket

    from streamgenre.config.settings import Config
    from streamgenre.daemon.publishing import BusSink
    from streamgenre.events import AnyEvent

_START: Final = (
    "import sys; sys.path.append(sys.argv.pop(1)); from streamgenre.cli import main; "
    "sys.exit(main())"
)
_MODULES: Final = ("starlette", "uvicorn", "jinja2")
_OF_THE_SERVICE: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""Variables that are for the daemon alone."""
_END_S: Final = 3.0
"""Seconds that the process has to end."""
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_log = get_logger(__name__)


class WebProcess(Sink):
    """Runs ``streamgenre web`` as long as the daemon runs.

    The process reads its settings from its standard input, and ends when that is closed, even if
    the daemon is killed. It takes events from the bus like every other subscriber.

    Parameters
    ----------
    config
        The configuration of the daemon.
    bus
        The bus, started before this.
    """

    def __init__(self, config: Config, bus: BusSink) -> None:
        self._config = config
        self._bus = bus
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._listening: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="web process", daemon=True)
        self._settings = ""

    def start(self) -> None:
        """Bind the address and start the process.

        Raises
        ------
        SettingsError
            If a package is missing, the address is in use, or other machines could reach it
            without a login.
        KeysError
            If the daemon's keys cannot be read.
        """
        where = self._config.web.listen or ""
        missing = [name for name in _MODULES if find_spec(name) is None]
        if missing:
            raise SettingsError(
                f"the web page needs {missing[0]}, which is not installed; "
                "`pip install 'streamgenre[web]'`, or listen without --web"
            )
        check_exposed(self._config.web, where)
        address = http_address(where)
        assert address is not None, "checked with the settings"
        self._settings = self._site().to_json()
        self._listening = listen_on(*address, "--web")
        _log.info("serving the web page on http://%s/", address_of(self._listening))
        self._thread.start()

    def take(self, event: AnyEvent) -> None:
        """Do nothing: the process reads the bus."""

    def stop(self) -> None:
        """End the process."""
        self._stop.set()
        with self._lock:
            if self._process is not None:
                _end(self._process)
        has_ended(self._thread)
        if self._listening is not None:
            self._listening.close()

    def _site(self) -> SiteSettings:
        config, folder = self._config, self._bus.keys_folder
        control = config.bus.control
        return SiteSettings(
            web=config.web,
            connect=(local_endpoint(self._bus.endpoint) or self._bus.endpoint,),
            # The daemon admits its own key.
            server_key=() if folder is None else (read_pair(folder).public.decode(),),
            keys=folder,
            control=None if control is None else local_endpoint(control),
            clips=config.clips.folder,
            history=None if config.history.keep == "none" else config.history.path,
        )

    def _run(self) -> None:
        backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        while not self._stop.is_set():
            backoff.begin()
            why = self._run_once()
            if self._stop.is_set():
                return
            pause = backoff.next_s()
            _log.warning("the web page has ended (%s); it starts again in %.0f s", why, pause)
            self._stop.wait(pause)

    def _run_once(self) -> str:
        """Run the process to its end; return why it ended, in words."""
        assert self._listening is not None
        descriptor = self._listening.fileno()
        environment = {k: v for k, v in os.environ.items() if k not in _OF_THE_SERVICE}
        command = [sys.executable, "-P", "-c", _START, str(Path(__file__).parents[2])]
        with self._lock:
            if self._stop.is_set():
                return ""
            try:
                self._process = process = subprocess.Popen(
                    [*command, "web", "--supervised", str(descriptor)],
                    pass_fds=[descriptor],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env=environment,
                    text=True,
                    errors="replace",
                    process_group=0,  # Ctrl-C is for the daemon alone
                )
            except OSError as error:
                return f"{error.strerror}"
        assert process.stdin is not None
        assert process.stderr is not None
        last = ""
        with suppress(OSError):  # it has already ended
            process.stdin.write(f"{self._settings}\n")
            process.stdin.flush()
        for line in process.stderr:
            last = line.strip().removeprefix("streamgenre: ")
            _log.warning("web page: %s", last)
        code = process.wait()
        with suppress(OSError):
            process.stdin.close()
        process.stderr.close()
        if code < 0:
            return f"killed by signal {-code}"
        return last.removeprefix("error: ") or f"exit code {code}"


def _end(process: subprocess.Popen[str]) -> None:
    """End the process: by closing its standard input, then by force."""
    if process.stdin is not None:
        with suppress(OSError, ValueError):
            process.stdin.close()
    end_process(process, "the web page", _END_S)
