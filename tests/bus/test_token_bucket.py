from __future__ import annotations

from streamgenre.bus.token_bucket import TokenBucket


def test_a_full_bucket_allows_its_capacity_at_once_and_no_more() -> None:
    bucket = TokenBucket(10, 2, now=0.0)
    assert bucket.take(10, now=0.0)
    assert not bucket.take(0.5, now=0.0)


def test_a_bucket_refills_at_its_rate_up_to_its_capacity() -> None:
    bucket = TokenBucket(10, 2, now=0.0)
    assert bucket.take(10, now=0.0)
    assert not bucket.take(5, now=2.0)  # 4 tokens
    assert bucket.take(5, now=2.5)
    assert bucket.take(10, now=1000.0)
    assert not bucket.take(1, now=1000.0)


def test_more_than_the_capacity_costs_a_full_bucket() -> None:
    bucket = TokenBucket(10, 2, now=0.0)
    assert bucket.take(1000, now=0.0)
    assert not bucket.take(1000, now=4.9)
    assert bucket.take(1000, now=5.0)
