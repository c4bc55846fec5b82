"""Which machine gets a worker, and how many workers there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamgenre.fleet import machines as module
from streamgenre.fleet.machines import Machines

if TYPE_CHECKING:
    import pytest


def nodes(**cpus: float) -> list[dict[str, Any]]:
    return [
        {"NodeID": name, "NodeManagerHostname": name, "Alive": True, "Resources": {"CPU": count}}
        for name, count in cpus.items()
    ]


def test_the_machine_with_most_free_cpus_gets_the_worker() -> None:
    made = Machines(1.0)
    assert made.emptiest([]) == (None, False)
    made.look(nodes(a=1, b=4))
    assert made.emptiest([]) == ("b", True)
    assert made.emptiest(["b", "b", "b", "b"]) == ("a", True)
    assert made.emptiest(["b", "b", "b", "b", "a"])[1] is False
    assert made.emptiest(["gone", None]) == ("b", True)


def test_workers_may_take_parts_of_a_cpu_or_several() -> None:
    made = Machines(0.3)
    made.look(nodes(a=3))
    assert made.workers == 10
    made = Machines(2)
    made.look(nodes(a=3, b=1, c=4))
    assert made.workers == 3


def test_a_machine_whose_worker_went_silent_is_avoided_if_there_are_others() -> None:
    made = Machines(1.0)
    made.look(nodes(a=1, b=4))
    made.avoid("b")
    assert made.emptiest(["a"]) == ("a", False)
    assert made.is_avoided("b")
    assert made.is_avoided("gone")
    made.avoid("a")
    assert made.emptiest([]) == ("b", True)


def test_the_number_of_workers_follows_up_at_once_and_down_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    made = Machines(1.0)
    made.look(nodes(a=2))
    made.look(nodes(a=2, b=2))
    assert made.workers == 4
    now += 5
    made.look(nodes(a=2))
    assert made.workers == 4
    now += module._SHRINK_S / 2
    made.look(nodes(a=2, b=2))
    now += module._SHRINK_S / 2 + 10
    made.look(nodes(a=2))
    assert made.workers == 4
    now += module._SHRINK_S + 1
    made.look(nodes(a=2))
    assert made.workers == 2
