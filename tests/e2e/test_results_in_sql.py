# SPDX-License-Identifier: Apache-2.0
"""celery_taskmeta, in PostgreSQL and in one file: results for those who read them in SQL, as plain SQL and through SQLAlchemy, which reads
both databases' views into the same Python values."""

import datetime
import json
import sqlite3

import pytest
import sqlalchemy
from celery.backends.database.models import TaskExtended

from support import celery_app
from support.libchard import Client
from support.waiting import wait_until

COLUMNS = ["id", "task_id", "status", "result", "date_done", "traceback", "name", "args", "kwargs", "worker", "retries", "queue"]


def view_of(engine, schema=None):
    return sqlalchemy.Table("celery_taskmeta", sqlalchemy.MetaData(), autoload_with=engine, schema=schema)


def ended(engine, view, ids):
    """The rows of these tasks by their ids, once all have ended."""
    def look():
        with engine.connect() as connection:
            rows = connection.execute(sqlalchemy.select(view).where(view.c.task_id.in_(ids))).mappings().all()
        return {row["task_id"]: row for row in rows if row["status"] in ("SUCCESS", "FAILURE")} if len(rows) == len(ids) else {}

    return wait_until(lambda: found if len(found := look()) == len(ids) else None, 30)


def as_time(value):
    return value if isinstance(value, datetime.datetime) else datetime.datetime.fromisoformat(value)


def check(rows, done, failed, began):
    assert list(rows[done]) == COLUMNS
    assert set(COLUMNS) <= {column.name for column in TaskExtended.__table__.columns}
    results = {id: json.loads(row["result"]) if isinstance(row["result"], str) else row["result"] for id, row in rows.items()}
    assert (rows[done]["status"], results[done], rows[done]["name"]) == ("SUCCESS", 3, "chard.add")
    assert rows[done]["traceback"] is None and rows[done]["retries"] == 0
    assert rows[failed]["status"] == "FAILURE" and rows[failed]["traceback"].endswith("boom") and ": " in rows[failed]["traceback"]
    assert results[failed] == {"exc_type": "RuntimeError", "exc_message": ["boom"], "exc_module": "builtins"}
    assert rows[done]["id"] != rows[failed]["id"] and isinstance(rows[done]["id"], int)
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    for row in rows.values():
        time = as_time(row["date_done"])
        assert time.tzinfo is None and began - datetime.timedelta(seconds=5) <= time <= now + datetime.timedelta(seconds=5)


def test_in_postgresql(chard, broker_url, database):
    began = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    app = celery_app.make_app(broker_url)
    engine = sqlalchemy.create_engine(database.url.replace("postgresql://", "postgresql+psycopg://"))
    with chard.prepare().worker(queues=celery_app.QUEUE):
        done, failed = (app.send_task(name, args, queue=celery_app.QUEUE).id
                        for name, args in (("chard.add", [1, 2]), ("chard.fail", ["boom"])))
        check(ended(engine, view_of(engine, "chard"), [done, failed]), done, failed, began)
    engine.dispose()


def test_in_one_file(chard_bare, tmp_path):
    file = tmp_path / "chard.db"
    began = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    dev = chard_bare.start("dev", "--db", file, "-Q", celery_app.QUEUE, "--ai-provider", "offline")
    try:
        dev.wait_log("consuming")
        with Client(f"embedded:{file}") as client:
            done, failed = (client.apply({"task": name, "args": args, "queue": celery_app.QUEUE})[0]
                            for name, args in (("chard.add", [1, 2]), ("chard.fail", ["boom"])))
        engine = sqlalchemy.create_engine(f"sqlite:///{file}")
        check(ended(engine, view_of(engine), [done, failed]), done, failed, began)
        engine.dispose()
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
            database.row_factory = sqlite3.Row
            rows = {row["task_id"]: dict(row) for row in database.execute("select * from celery_taskmeta")}
            check(rows, done, failed, began)
            assert database.execute("select sum(json_extract(result, '$')) from celery_taskmeta where status = 'SUCCESS'").fetchone()[0] == 3
            # What SQLAlchemy's own type for times makes of it.
            typed = sqlalchemy.select(sqlalchemy.column("date_done", sqlalchemy.DateTime)).select_from(sqlalchemy.table("celery_taskmeta"))
            with sqlalchemy.create_engine(f"sqlite:///{file}").connect() as connection:
                assert all(isinstance(time, datetime.datetime) for time in connection.execute(typed).scalars())
        with pytest.raises(sqlite3.OperationalError, match="cannot modify celery_taskmeta"), sqlite3.connect(file) as database:
            database.execute("delete from celery_taskmeta")
    finally:
        dev.terminate()
        assert dev.wait() == 0
