"""Answers that many ask for at once."""

import asyncio

import pytest

from libs.common.remembered import Remembered


class Source:
    """Answers how often it was asked, when it is allowed to."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()
        self.broken = False

    async def ask(self) -> int:
        self.asked += 1
        await self.open.wait()
        if self.broken:
            raise OSError("gone")
        return self.asked


async def test_many_share_one_look() -> None:
    """Who asks while an answer is under way, or is still good, gets that one."""
    source = Source()
    source.open.clear()
    remembered = Remembered(source.ask, for_s=60)
    waiting = [asyncio.create_task(remembered.get()) for _ in range(5)]
    await asyncio.sleep(0)
    source.open.set()
    assert await asyncio.gather(*waiting) == [1] * 5
    assert await remembered.get() == 1


async def test_an_answer_grows_old_and_can_be_forgotten() -> None:
    """A new look is made after its time, and at once after `forget`."""
    source = Source()
    assert [await Remembered(source.ask, for_s=60).get() for _ in range(2)] == [1, 2]
    remembered = Remembered(source.ask, for_s=60)
    assert await remembered.get() == 3
    remembered.forget()
    assert await remembered.get() == 4
    briefly = Remembered(source.ask, for_s=-1)
    assert [await briefly.get(), await briefly.get()] == [5, 6]


async def test_whoever_is_cancelled_leaves_the_others_their_answer() -> None:
    """The look goes on for those who still wait."""
    source = Source()
    source.open.clear()
    remembered = Remembered(source.ask, for_s=60)
    gone, waiting = asyncio.create_task(remembered.get()), asyncio.create_task(remembered.get())
    await asyncio.sleep(0)
    gone.cancel()
    source.open.set()
    assert await waiting == 1


async def test_an_error_is_shared_and_then_forgotten_as_an_answer_is() -> None:
    """Those who asked together hear of it; who comes after its time asks anew."""
    source = Source()
    source.broken = True
    remembered = Remembered(source.ask, for_s=-1)
    with pytest.raises(OSError, match="gone"):
        await remembered.get()
    source.broken = False
    assert await remembered.get() == 2
