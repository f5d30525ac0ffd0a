"""What happened in the last five minutes."""

import pytest

from libs.common.worker.throughput import WINDOW_S, Throughput


class Clock:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_counts_are_added_up_and_forgotten(clock: Clock) -> None:
    """Events count for five minutes, and in bounded memory however many there are."""
    throughput = Throughput(clock)
    assert throughput.total() == 0
    for _ in range(int(WINDOW_S)):
        throughput.add(2)
        clock.now_s += 1
    assert throughput.total() == 2 * WINDOW_S
    assert len(throughput._buckets) <= 31
    clock.now_s += WINDOW_S / 2
    assert WINDOW_S * 0.9 < throughput.total() < WINDOW_S * 1.1
    clock.now_s += WINDOW_S
    assert throughput.total() == 0
