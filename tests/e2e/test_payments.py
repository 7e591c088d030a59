# SPDX-License-Identifier: Apache-2.0
"""examples/payments: orders that another service has paid, as a saga of consumers that live in a plug-in."""

import subprocess
import time

import pytest
from support.consumers import acting, insert
from support.place import everywhere
from support.program import ROOT


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    library = tmp_path_factory.mktemp("payments") / "payments.so"
    subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{ROOT / 'include'}", "-Wno-missing-field-initializers",
                    "-o", library, ROOT / "examples/payments/payments.c"], check=True, timeout=60)
    return library


def placed(order, sku="mug", **more):
    return {"type": "OrderPlaced", "of": ("orders-placed", order), "payload": {"order_id": order, "user_id": "u1", "sku": sku} | more}


def paid(order):
    return {"type": "PaymentPaid", "of": ("payments-paid", order), "payload": {"order_id": order, "payment_id": f"pay-{order}"}}


def failed(order):
    return {"type": "PaymentFailed", "of": ("payments-failed", order), "payload": {"order_id": order, "reason": "card declined"}}


def facts(tables, kind, name):
    """{(owner, number): value} of the facts called NAME/NUMBER."""
    return {(row["owner"], int(row["key"].split("/")[1])): row["value"]
            for row in tables.rows("select owner, key, value from chard.fact where kind = %s", kind) if row["key"].startswith(f"{name}/")}


def states(tables):
    """{order: its states, in order}"""
    found = {}
    for (order, _), state in sorted(facts(tables, "order", "state").items()):
        found.setdefault(order, []).append(state)
    return found


def free(tables, sku="mug"):
    moves = {number: left for (of, number), left in facts(tables, "stock", "free").items() if of == sku}
    return moves[max(moves)]


def written(tables, kind):
    return sorted(row["aggregate_id"] for row in tables.rows("select aggregate_id from chard.event where type = %s", kind))


@everywhere
def test_a_payment_that_fails_gives_all_back_and_one_that_was_processed_is_never_compensated(chard, database, place, plugin, wait_until):
    chard.settings["CHARD_TASKS"] = str(plugin)
    chard.prepare()
    database.run("insert into chard.fact (kind, owner, key, task_id, value) values ('stock', 'mug', 'free/1', 't', '4')")
    with acting(chard, "order", "stock"):
        insert(database, [failed("o2"),  # before its order: another topic may be quicker
                          placed("o1", coupon="TEN"), placed("o2", coupon="TEN"), placed("o3"), placed("o4"), placed("o5"),
                          paid("o1"), failed("o1"), paid("o1"), failed("o2"), failed("o2"), paid("o3")])
        wait_until(lambda: {order: of[-1] for order, of in states(database).items()} == {
            "o1": "PREPARING", "o2": "FAILED", "o3": "PREPARING", "o4": "PENDING", "o5": "FAILED"}, 40)
        wait_until(lambda: free(database) == 1)  # o5 found none left, and o2 gave its own back
        assert written(database, "OrderFailed") == ["o2", "o5"] and written(database, "OrderRejected") == ["o5"]
        assert {(row["owner"], row["key"], row["value"]) for row in database.rows("select owner, key, value from chard.fact where kind = 'coupon'")} == {
            ("TEN", "o1", "used"), ("TEN", "o2", "returned")}

        later = "now() + interval '1 minute'" if database.name == "postgresql" else "(unixepoch() + 60) * 1000000"
        # o4 is never paid for: five minutes later it has failed, and a payment that comes then is to be given back
        with chard.worker(queues="order.expire"):
            wait_until(lambda: database.value(f"select count(*) from chard.scheduled where due_at > {later}") == 5)  # of each order
            database.run("update chard.scheduled set due_at = due_at - interval '5 minutes'" if database.name == "postgresql"
                         else "update scheduled set due_at = due_at - 300000000")
            wait_until(lambda: states(database)["o4"] == ["PENDING", "FAILED"])
            wait_until(lambda: free(database) == 2)
        insert(database, [paid("o4")])
        wait_until(lambda: written(database, "RefundDue") == ["o4"])
    assert states(database) == {"o1": ["PENDING", "PREPARING"], "o2": ["PENDING", "FAILED"], "o3": ["PENDING", "PREPARING"],
                                "o4": ["PENDING", "FAILED"], "o5": ["PENDING", "FAILED"]}
    assert written(database, "OrderFailed") == ["o2", "o4", "o5"] and written(database, "OrderExpired") == ["o4"]
    letter, = database.rows("select name, error_source, error_code from chard.dead_letter")
    assert tuple(letter.values()) == ("stock", "consumer_logic", "out_of_stock")


CONSUMER = """
#include <chard.h>
static int act(const struct chard_input *in, struct chard_outcome *out) { (void)in; %s }
static const struct chard_consumer c = { .name = "%s", .hears = { "A" }, .act = act };
CHARD_CONSUMERS(&c);
"""


@pytest.mark.parametrize("act, name, said", [
    ("(void)out; return CHARD_DONE;", "Bad Name", "is no name of a consumer"),
    ("(void)out; return CHARD_DONE;", "character", "are called character"),
])
def test_a_consumer_that_can_not_be_run_is_refused(chard_bare, tmp_path, act, name, said):
    source, library = tmp_path / "c.c", tmp_path / "c.so"
    source.write_text(CONSUMER % (act, name))
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{ROOT / 'include'}", "-o", library, source], check=True, timeout=60)
    done = chard_bare.run("topology", "show", "--tasks", library)
    assert done.returncode != 0 and said in done.stderr


TRIAL = """
#include <chard.h>
#include <string.h>
static int act(const struct chard_input *in, struct chard_outcome *out)
{
        const char *what = chard_text(in, "/payload/do");
        if (strcmp(what, "section") == 0) return chard_section(out, "x", "1");
        if (strcmp(what, "result") == 0) return chard_result(out, "1");
        if (strcmp(what, "replace") == 0) return chard_replace(out, "{\\"task\\": \\"x\\"}");
        if (strcmp(what, "json") == 0) return chard_event(out, "a", "b", "C", "{no json");
        if (strcmp(what, "refuse") == 0) return CHARD_REFUSE;
        if (strcmp(what, "reason") == 0) return chard_refuse(in, "no_room", "there is none");
        if (strcmp(what, "raise") == 0) return chard_raise(in, "ValueError", "builtins", "[]");
        if (strcmp(what, "retry") == 0) return chard_retry(in, -1, -1);
        if (chard_request_text(in, "/id") || chard_argument_json(in, "/args/0")) return CHARD_BROKEN;
        return chard_event(out, "seen", chard_text(in, "/aggregate_id"), "Seen", chard_json(in, "/payload"));
}
static int undo(const struct chard_input *in, const char *code, struct chard_outcome *out)
{
        return strcmp(code, "no_room") == 0 ? chard_event(out, "undo", chard_text(in, "/aggregate_id"), "Undone", chard_quote(in, code)) : CHARD_REFUSE;
}
static const struct chard_consumer trial = { .name = "trial", .hears = { "Tried" }, .flags = CHARD_NAMED, .act = act, .compensate = undo };
CHARD_CONSUMERS(&trial);
"""


@pytest.mark.parametrize("place", ["file"])
def test_what_a_consumer_of_a_plug_in_may_say(chard, database, place, tmp_path, wait_until):
    source, library = tmp_path / "trial.c", tmp_path / "trial.so"
    source.write_text(TRIAL)
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{ROOT / 'include'}", "-o", library, source], check=True, timeout=60)
    chard.settings["CHARD_TASKS"] = str(library)
    chard.prepare()
    said = {"section": "broken_task", "result": "broken_task", "replace": "broken_task", "json": "broken_task", "refuse": "refused",
            "reason": "no_room", "raise": "ValueError", "retry": "retry"}
    insert(database, [{"type": "Tried", "of": ("try", what), "payload": {"do": what}} for what in [*said, "well"]])
    with acting(chard, "trial"):
        wait_until(lambda: database.value("select count(*) from dead_letter") == len(said))
        wait_until(lambda: database.value("select count(*) from event") == 2)
    assert {row["task_id"]: row["error_code"] for row in database.rows("select e.aggregateid as task_id, d.error_code from dead_letter d join outbox e on d.task_id = 'trial/' || e.id")} == said
    assert {(row["type"], row["aggregate_id"]) for row in database.rows("select type, aggregate_id from event")} == {("Seen", "well"), ("Undone", "reason")}
