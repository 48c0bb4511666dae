import asyncio

import pytest

from djl_trtllm.local.gate import Closing, Gate, QueueFull


def test_places_then_a_queue_in_order_then_full():
    async def scenario():
        gate = Gate(places=1, waiting=2)
        await gate.enter()
        order = []

        async def wait(name):
            await gate.enter()
            order.append(name)

        tasks = [asyncio.create_task(wait(name)) for name in "ab"]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await gate.enter()
        gate.leave()
        gate.leave()
        await asyncio.gather(*tasks)
        assert order == ["a", "b"]
        gate.leave()
        gate.leave()
        await gate.enter()

    asyncio.run(scenario())


def test_a_cancelled_waiter_gives_its_turn_away():
    async def scenario():
        gate = Gate(places=1, waiting=1)
        await gate.enter()
        task = asyncio.create_task(gate.enter())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        second = asyncio.create_task(gate.enter())
        await asyncio.sleep(0)
        gate.leave()
        second.cancel()  # its turn has come already, so the place must come back
        await asyncio.gather(second, return_exceptions=True)
        await asyncio.wait_for(gate.enter(), 1)

    asyncio.run(scenario())


def test_closing_turns_waiters_and_comers_away():
    async def scenario():
        gate = Gate(places=1, waiting=5)
        await gate.enter()
        waiters = [asyncio.create_task(gate.enter()) for _ in range(3)]
        await asyncio.sleep(0)
        gate.close()
        results = await asyncio.gather(*waiters, return_exceptions=True)
        assert [type(result) for result in results] == [Closing] * 3
        with pytest.raises(Closing):
            await gate.enter()

    asyncio.run(scenario())
