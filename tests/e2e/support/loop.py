# SPDX-License-Identifier: Apache-2.0
"""One asyncio loop in a thread of its own, which the provider double and the breakable links live on."""

import asyncio
import threading


class LoopThread:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine, deadline=20):
        """Runs it on the loop and returns its result, from any other thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(deadline)

    def close(self):
        self.run(self._cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(20)
        self.loop.close()

    async def _cancel_all(self):
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
