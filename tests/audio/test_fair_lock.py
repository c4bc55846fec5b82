from __future__ import annotations

import gc
import threading
import time
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING

from support.live import until

from streamgenre.audio import fair_lock as fair_lock_module
from streamgenre.audio.fair_lock import PATIENCE_S, FairLock, Participant

if TYPE_CHECKING:
    import pytest


def waits(lock: FairLock, count: int) -> bool:
    return len(lock._waiting) == count


def test_holders_run_one_at_a_time_in_order_and_urgent_ones_first() -> None:
    lock, order, threads = FairLock(), list[str](), list[threading.Thread]()
    first = Participant(lock=lock)

    def work(name: str, *, urgent: bool) -> None:
        with Participant(urgent=urgent, lock=lock):
            order.append(name)

    with first:
        first.acquire()  # already the holder
        for name, urgent in (("a", False), ("b", False), ("now", True)):
            threads.append(threading.Thread(target=partial(work, name, urgent=urgent)))
            threads[-1].start()
            until(partial(waits, lock, len(threads)))
        assert order == []
    for thread in threads:
        thread.join(60)
    assert order == ["now", "a", "b"]
    assert lock._holder is None


def test_many_holders_never_run_concurrently() -> None:
    lock, at_work, most, done = FairLock(), 0, 0, 0

    def work(number: int) -> None:
        nonlocal at_work, most, done
        participant = Participant(urgent=number == 0, lock=lock)
        for _ in range(30):
            participant.acquire()
            at_work += 1
            most = max(most, at_work)
            time.sleep(0.0002)
            at_work -= 1
            done += 1
            participant.release()
            participant.release()  # it no longer holds the lock

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (most, done, lock._holder) == (1, 12 * 30, None)


def test_a_few_participants_do_not_wait_for_each_other() -> None:
    lock = FairLock(few=2)
    first, second = Participant(lock=lock), Participant(lock=lock)
    with first, second:
        assert lock._holder is None
    third = Participant(lock=lock)
    with first:
        assert lock._holder is first
    del third
    gc.collect()
    with first, second:
        assert lock._holder is None


def test_a_stuck_holder_is_waited_for_only_once() -> None:
    lock = FairLock()
    stuck, other, last = (Participant(lock=lock) for _ in range(3))
    stuck.acquire()
    began = time.monotonic()
    other.acquire()
    assert time.monotonic() - began >= PATIENCE_S
    stuck.release()  # too late: another thread holds it
    assert lock._holder is other
    other.release()
    last.acquire()
    assert lock._holder is last


def test_nobody_is_urgent_by_default() -> None:
    assert not Participant().urgent


def test_a_holder_is_stuck_by_the_time_that_it_has_held_the_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, readings = 1000.0, 0

    def monotonic() -> float:
        nonlocal readings
        readings += 1
        return now

    monkeypatch.setattr(fair_lock_module, "time", SimpleNamespace(monotonic=monotonic))
    monkeypatch.setattr(fair_lock_module, "PATIENCE_S", 0.25)
    lock = FairLock()
    holder, other = Participant(lock=lock), Participant(lock=lock)
    holder.acquire()
    now += 0.125
    thread = threading.Thread(target=other.acquire)
    thread.start()
    until(lambda: readings >= 3)  # the other has looked twice, after more than its patience
    assert lock._holder is holder
    now += 0.125
    thread.join(60)
    assert lock._holder is other
