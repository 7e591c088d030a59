# SPDX-License-Identifier: Apache-2.0
"""Celery's client, when it forgets a result, asks its Redis to tell no more of it, and tries for minutes to reach a Redis that has ended with the test before. The
garbage collector makes it do so in the middle of whatever test comes then, whose time-out is lost, too: what is raised in __del__ is ignored. Once this was called it
gives up there at the first failure; whoever waits for a result still tries as long as ever."""

import contextlib
import threading

from celery.backends.redis import ResultConsumer
from celery.result import AsyncResult

_at_work = threading.local()


def forget_at_once():
    forget, reconnect = AsyncResult.__del__, ResultConsumer._reconnect

    def forgets(result):
        _at_work.forgetting = True
        try:
            with contextlib.suppress(Exception):
                forget(result)
        finally:
            _at_work.forgetting = False

    def reconnects(consumer):
        if getattr(_at_work, "forgetting", False):
            consumer._pubsub = None  # whoever waits next connects anew
        else:
            reconnect(consumer)

    AsyncResult.__del__, ResultConsumer._reconnect = forgets, reconnects
