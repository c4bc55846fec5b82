from __future__ import annotations

import threading
import time
from functools import partial

from support.live import PROMPT_S, until

from streamgenre.audio.fair_lock import PATIENCE_S, FairLock, Turn


def waits(floor: FairLock, count: int) -> bool:
    return len(floor._waiting) == count


def test_one_at_a_time_in_order_and_the_urgent_first() -> None:
    floor, order, threads = FairLock(), list[str](), list[threading.Thread]()
    first = Turn(floor=floor)

    def work(name: str, *, urgent: bool) -> None:
        with Turn(urgent=urgent, floor=floor):
            order.append(name)

    with first:
        first.take()  # it is its already
        for name, urgent in (("a", False), ("b", False), ("now", True)):
            threads.append(threading.Thread(target=partial(work, name, urgent=urgent)))
            threads[-1].start()
            until(partial(waits, floor, len(threads)))
        assert order == []
    for thread in threads:
        thread.join(PROMPT_S)
    assert order == ["now", "a", "b"]
    assert floor._holder is None


def test_many_never_work_side_by_side() -> None:
    floor, at_work, most, done = FairLock(), 0, 0, 0

    def work(number: int) -> None:
        nonlocal at_work, most, done
        turn = Turn(urgent=number == 0, floor=floor)
        for _ in range(30):
            turn.take()
            at_work += 1
            most = max(most, at_work)
            time.sleep(0.0002)
            at_work -= 1
            done += 1
            turn.give()
            turn.give()  # of what is not its any more

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (most, done, floor._holder) == (1, 12 * 30, None)


def test_one_who_is_stuck_is_waited_for_once() -> None:
    floor = FairLock()
    stuck, other, last = (Turn(floor=floor) for _ in range(3))
    stuck.take()
    began = time.monotonic()
    other.take()
    assert PATIENCE_S <= time.monotonic() - began < PATIENCE_S + PROMPT_S
    stuck.give()  # too late: it is the other's
    assert floor._holder is other
    other.give()
    last.take()
    assert floor._holder is last
