# SPDX-License-Identifier: Apache-2.0
"""examples/payments: orders that another service has paid, as a saga of consumers that live in a plug-in."""

import json
import subprocess
import time

import pytest
from support.consumers import acting, insert
from support.place import everywhere
from support.program import ROOT
from test_consumers import letters


def compiled(tmp_path_factory, name):
    library = tmp_path_factory.mktemp("payments") / f"{name}.so"
    subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{ROOT / 'include'}", "-Wno-missing-field-initializers",
                    "-o", library, ROOT / f"examples/payments/{name}.c"], check=True, timeout=60)
    return library


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    return compiled(tmp_path_factory, "payments")


@pytest.fixture(scope="module")
def orchestrated(tmp_path_factory):
    return compiled(tmp_path_factory, "orchestrated")


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


def shown(chard, order):
    """What `chard job` says of its saga: the state, and each move as (what was heard, the step then)."""
    saga = json.loads(chard.run("job", order, "--json").stdout)["sagas"]["checkout"]
    return saga["state"], [(move["heard"], move.get("step")) for move in saga["moves"]]


@everywhere
def test_a_saga_by_orchestration_goes_on_after_kills_and_is_shown(chard, database, place, orchestrated, wait_until):
    """One table; a step that fails undoes those before; no answer within its time does, too, though the process was killed meanwhile."""
    chard.settings |= {"CHARD_TASKS": str(orchestrated), "CHARD_DUTIES_LEASE_S": "1"}
    chard.run("migrate", check=0)
    database.run("insert into chard.fact (kind, owner, key, task_id, value) values ('stock', 'mug', 'free/1', 't', '3')")

    def happens(order, kind, of, **payload):
        insert(database, [{"type": kind, "of": (of, order), "payload": payload}])

    consumer = chard.start("consume", "checkout", "stockroom")
    for order in ("o1", "o2", "o3", "o4"):
        happens(order, "CheckoutWanted", "checkouts", sku="mug", user_id="u1")
    wait_until(lambda: written(database, "StockRefused") == ["o4"] and len(written(database, "PaymentWanted")) == 3, 40)
    consumer.kill()
    happens("o1", "PaymentPaid", "payments-paid", payment_id="p1")
    happens("o2", "PaymentFailed", "payments-failed", reason="card declined")
    consumer = chard.start("consume", "checkout", "stockroom", "-n", "c2")
    wait_until(lambda: written(database, "DeliveryWanted") == ["o1"] and written(database, "OrderFailed") == ["o2", "o4"], 40)
    happens("o1", "DeliveryPlanned", "deliveries")
    wait_until(lambda: written(database, "OrderPrepared") == ["o1"])
    consumer.kill()
    # nobody answers for o3: five minutes later its time is up, which a process finds that begins then
    pg = database.name == "postgresql"
    database.run("update chard.consumer_waiting set due_at = due_at - interval '5 minutes'" if pg else "update consumer_waiting set due_at = due_at - 300000000")
    with acting(chard, "checkout", "stockroom"):
        wait_until(lambda: written(database, "OrderFailed") == ["o2", "o3", "o4"], 40)
        happens("o3", "PaymentPaid", "payments-paid")  # too late: the money is asked back already
        happens("o5", "CheckoutWanted", "checkouts", sku="mug")
        wait_until(lambda: "o5" in written(database, "PaymentWanted"))
    asked = [("CheckoutWanted", "stock"), ("StockTaken", "payment")]
    assert shown(chard, "o1") == ("DONE", [*asked, ("PaymentPaid", "delivery"), ("DeliveryPlanned", None)])
    assert shown(chard, "o2") == ("FAILED", [*asked, ("PaymentFailed", "stock"), ("StockGivenBack", None)])
    assert shown(chard, "o3") == ("FAILED", [*asked, ("SagaTimedOut", "stock"), ("StockGivenBack", None)])
    assert shown(chard, "o4") == ("FAILED", [("CheckoutWanted", "stock"), ("StockRefused", None)])
    assert written(database, "RefundDue") == ["o3"] and free(database) == 1  # o1 and o5 have one each
    text = chard.run("job", "o2")
    assert text.returncode == 1 and "saga     checkout       FAILED  (card declined)" in text.stdout and "PaymentFailed            -> UNDOING stock" in text.stdout
    listed = {row["name"]: row["hears"] for row in json.loads(chard.run("consume", "--list", "--json", check=0).stdout)}
    assert listed["checkout"][:4] == ["CheckoutWanted", "StockTaken", "StockRefused", "StockGivenBack"] and letters(database) == []


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
