# SPDX-License-Identifier: Apache-2.0
"""B7's peer: one Celery producer that submits chat chains, each confirmed by the broker.

    submit.py COUNT      prints {"count","seconds"}: from the first publish to the last confirm
"""

import json
import os
import sys
import time

from celery import Celery, chain


def main():
    count = int(sys.argv[1])
    app = Celery("producer", broker=os.environ["PEER_BROKER_URL"])
    app.conf.update(task_default_queue_type="quorum", task_default_exchange_type="topic", task_ignore_result=True,
                    task_default_queue="bench.sink", task_default_exchange="bench.sink",
                    task_default_routing_key="bench.sink",
                    broker_transport_options={"confirm_publish": True})
    route = {"exchange": "chat.commands", "routing_key": "chat.classify"}
    with app.producer_pool.acquire(block=True) as producer:
        start = time.monotonic()
        for number in range(count):
            first = app.signature("chat.classify", kwargs={
                "text": "Where does an empty, rinsed aluminium can go?", "user_id": f"u{number}", "lang": "en"})
            chain(first.set(**route), app.signature("chat.answer").set(**route)).apply_async(producer=producer)
        print(json.dumps({"count": count, "seconds": time.monotonic() - start}))


if __name__ == "__main__":
    main()
