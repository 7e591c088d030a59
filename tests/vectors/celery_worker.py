# SPDX-License-Identifier: Apache-2.0
"""A real Celery worker that runs a scan's three tasks by telling what they were given: celery_worker.py BROKER-URL RESULT-FOLDER"""

import sys

from celery import Celery

TASKS = ("scan.vision", "scan.answer", "scan.reward")


def make_app(broker_url, results):
    app = Celery("vectors", broker=broker_url, backend=f"file://{results}", set_as_current=False)
    app.conf.update(task_default_queue="scan.reward", task_default_queue_type="quorum",
                    task_default_exchange_type="topic", task_create_missing_queue_type="quorum",
                    task_create_missing_queue_exchange_type="topic", broker_connection_retry_on_startup=True)
    for name in TASKS:
        app.task(name=name, bind=True, shared=False)(tell)
    return app


def tell(self, *args, **kwargs):
    request = self.request
    return {"task": self.name, "args": args, "kwargs": kwargs, "root_id": request.root_id,
            "parent_id": request.parent_id, "retries": request.retries}


if __name__ == "__main__":
    make_app(*sys.argv[1:]).worker_main(["worker", "-P", "solo", "-Q", ",".join(TASKS), "-l", "WARNING",
                                         "--without-gossip", "--without-mingle", "--without-heartbeat"])
