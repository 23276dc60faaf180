"""What handlers ask of others before their transactions: several at a time."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sea_mq.work import Work

# As many as a worker would call at once without batches.
MOST_AT_ONCE = 25


async def ask_all(work: Sequence[Work], blocking: bool) -> list[Any]:
    """What was said for each, in order: an exception stands in its place."""
    if not blocking:
        gate = asyncio.Semaphore(MOST_AT_ONCE)
        return list(await asyncio.gather(*(_awaited(it, gate) for it in work)))
    if len(work) < 2:
        return [_asked(it) for it in work]
    with ThreadPoolExecutor(min(len(work), MOST_AT_ONCE), thread_name_prefix="ask") as threads:
        return list(threads.map(_asked, work))


async def _awaited(it: Work, gate: asyncio.Semaphore) -> Any:
    async with gate:
        try:
            assert it.registration.ask is not None
            return await it.registration.ask(it.event)
        except Exception as error:
            return error


def _asked(it: Work) -> Any:
    try:
        assert it.registration.ask is not None
        return it.registration.ask(it.event)
    except Exception as error:
        return error
