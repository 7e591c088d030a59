# SPDX-License-Identifier: Apache-2.0
"""The provider's book: the tests' OpenAI double with a line for each request, of what it was for and what became of its answer.

Each worker has an endpoint of its own, so that the book says who asked. Fates of a call:
    whole     the answer fits, and all of its bytes are at the worker
    unfit     an answer came whole that no task can use
    refused   an error was answered
    broken    the connection ended before the answer was there
"""

import asyncio
import json
import random
import re
import time

from support.provider import Provider, completion, failure, hanging, rate_limited

TAG = re.compile(rb"\[(T[0-9]+)\]")
ANSWERS = {
    "scan.vision": {"major": "recyclable", "middle": "clear-pet", "item": "먹는샘물PET병", "situation": ["내용물_없음"]},
    "chat.classify": {"about_waste": True, "major": "recyclable", "middle": "clear-pet", "item": None, "situation": []},
    "chat.answer": {"disposal_steps": ["Rinse it"], "user_answer": "Put it with clear PET."},
    "scan.answer": {"disposal_steps": ["Rinse it"], "insufficiencies": [], "user_answer": "Put it with clear PET."},
}
MARKS = {"chat.classify": "about_waste", "scan.vision": "major", "scan.answer": "insufficiencies", "chat.answer": "user_answer"}  # the first that fits
TROUBLE = {
    "503": lambda: failure(503, message="no healthy upstream"),
    "500": lambda: failure(500),
    "429": lambda: rate_limited(retry_after=3),
    "401": lambda: failure(401, "invalid_api_key", "Incorrect API key provided"),
    "hang": hanging,
    "cut": lambda: completion({}, cut=60),
    "reset": None,  # not a reply
}


class Book:
    """What is written, and what all endpoints do at the moment."""

    def __init__(self, seed):
        self.calls = []
        self.trouble = None  # a key of TROUBLE, for all workers
        self.few = None  # (a key of TROUBLE, calls): for so many calls more
        self.chance = random.Random(seed)

    def trouble_now(self):
        if self.trouble or not self.few:
            return self.trouble
        trouble, left = self.few
        self.few = (trouble, left - 1) if left > 1 else None
        return trouble

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(call) + "\n" for call in list(self.calls))


class Endpoint(Provider):
    """One worker's way to the provider. `deadline` is the worker's for a call, in seconds: an answer that would come too late, or nearly,
    never does, so that nobody need guess who was faster."""

    def __init__(self, loop, book, worker, deadline):
        self.book, self.worker, self.deadline = book, worker, deadline
        self.trouble = None
        self._held = None  # while nothing passes: replies that wait
        self._of = {}  # protocol -> the line of its call that is under way
        super().__init__(loop)
        self.keep = False

    # --- faults ---------------------------------------------------------------------------------------

    def hold(self):
        self._loop.run(self._hold())

    def release(self):
        self._loop.run(self._release())

    async def _hold(self):
        self._held = []

    async def _release(self):
        held, self._held = self._held or [], None
        for sending in held:
            self._send(*sending)

    # --- the book: all on the loop --------------------------------------------------------------------

    def answer(self, protocol, head, body):
        tag, step = TAG.findall(body), step_of(body)
        line = {"n": len(self.book.calls), "worker": self.worker, "tag": tag[-1].decode() if tag else "", "step": step, "at": time.time(),
                "end": None, "outcome": "broken"}
        self.book.calls.append(line)
        self._of[protocol] = line
        trouble = self.trouble or self.book.trouble_now()
        line["why"] = trouble or ""
        if trouble == "reset":
            protocol.transport.abort()
            return
        self.behave = lambda _request: self._choose(line, trouble)
        super().answer(protocol, head, body)

    def _choose(self, line, trouble):
        if trouble:
            return TROUBLE[trouble]()
        chance = self.book.chance
        delay, luck = chance.choice([0.05, 0.2, 0.5, 1, 2]), chance.random()
        if luck < 0.01:
            line["why"] = "unfit"
            return completion({"nonsense": 1}, delay=delay)
        if luck < 0.02:
            line["why"] = "500"
            return failure(500, delay=delay)
        return completion(ANSWERS[line["step"]], delay=delay)

    def _send(self, protocol, reply, body):
        if self._held is not None:
            self._held.append((protocol, reply, body))
            return
        line = self._of.get(protocol)
        if line and time.time() - line["at"] > self.deadline - 0.5:
            protocol.transport.abort()
            return
        super()._send(protocol, reply, body)
        if line and not reply.hang and reply.cut is None and not protocol.transport.is_closing():
            self._of.pop(protocol)
            asyncio.get_running_loop().call_later(0.3, self._delivered, protocol)
            line["end"] = time.time()
            line["outcome"] = "refused" if reply.status != 200 else "unfit" if line["why"] == "unfit" else "whole"

    @staticmethod
    def _delivered(protocol):
        """On the loopback what was written is at the other end; a buffer that is not empty would be a fault of this book."""
        assert protocol.transport.is_closing() or protocol.transport.get_write_buffer_size() == 0

    def lost(self, protocol):
        line = self._of.pop(protocol, None)
        if line:
            line["end"] = time.time()
        super().lost(protocol)


def step_of(body):
    schema = json.loads(body).get("response_format", {}).get("json_schema", {}).get("schema", {}).get("properties", {})
    return next((step for step, mark in MARKS.items() if mark in schema), "")
