from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

import pytest
from rich.console import Console, ConsoleDimensions
from support.dashboard_events import update

from streamgenre.dashboard import app
from streamgenre.dashboard.render import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.events import AnyEvent

TICK_S = 0.1
ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Clocked:
    """A terminal and a clock that advances by one tick with each event."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.file = io.StringIO()
        self.console = Console(
            file=self.file, force_terminal=True, color_system="truecolor", width=80, height=24,
            legacy_windows=False, _environ={},
        )  # fmt: skip
        self.draws: list[float] = []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        draw = render

        def counted(*args: object, **options: object) -> object:
            self.draws.append(round(self.now, 3))
            return draw(*args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(app, "render", counted)

    def show(self, *events: AnyEvent | None) -> str:
        def ticking() -> Iterator[AnyEvent | None]:
            for event in events:
                yield event
                self.now += TICK_S

        app.run_dashboard(ticking(), console=self.console, stop=lambda: False)
        return self.file.getvalue()


@pytest.fixture
def clocked(monkeypatch: pytest.MonkeyPatch) -> Clocked:
    return Clocked(monkeypatch)


def test_nothing_is_drawn_when_nothing_changed(clocked: Clocked) -> None:
    clocked.show(update(0), *[None] * 25)
    assert clocked.draws == [0.0]


def test_the_screen_is_drawn_at_most_four_times_a_second(clocked: Clocked) -> None:
    clocked.show(*(update(i) for i in range(101)))
    assert 30 <= len(clocked.draws) <= 41
    assert clocked.draws[-1] > 9.5, "what came last is drawn"


def test_seconds_without_an_update_are_drawn_as_they_pass(clocked: Clocked) -> None:
    text = clocked.show(update(0), *[None] * 60)
    assert [f"no update for {s} s" in text for s in (3, 4, 5)] == [True] * 3
    assert 4 <= len(clocked.draws) <= 5


def test_a_resize_is_drawn_without_an_event(
    clocked: Clocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = iter([ConsoleDimensions(80, 24)] * 8 + [ConsoleDimensions(60, 16)] * 99)
    held = ConsoleDimensions(80, 24)

    def size(_console: Console) -> ConsoleDimensions:
        nonlocal held
        held = next(sizes, held)
        return held

    monkeypatch.setattr(Console, "size", property(size))
    clocked.show(update(0), *[None] * 20)
    assert len(clocked.draws) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_every_kind_of_exit_restores_the_terminal(
    clocked: Clocked, error: type[BaseException]
) -> None:
    def failing() -> Iterator[AnyEvent | None]:
        yield update(0)
        raise error

    with pytest.raises(error):
        app.run_dashboard(failing(), console=clocked.console, stop=lambda: False)
    text = clocked.file.getvalue()
    assert text.count(ENTER) == text.count(LEAVE) == 1
    assert text.rindex(LEAVE) > text.rindex("kitchen")
    assert text.rindex(SHOW) > text.rindex(HIDE)


def test_stop_ends_the_dashboard(clocked: Clocked) -> None:
    app.run_dashboard(iter(lambda: None, 0), console=clocked.console, stop=lambda: True)
    assert clocked.file.getvalue().count(LEAVE) == 1


def test_a_vanished_terminal_ends_the_dashboard_quietly(clocked: Clocked) -> None:
    class HungUp(io.StringIO):
        def write(self, text: str) -> int:
            if "kitchen" in text:
                raise OSError(5, "Input/output error")
            return super().write(text)

    clocked.console.file = HungUp()
    clocked.show(update(0), update(1))
    assert len(clocked.draws) == 1
