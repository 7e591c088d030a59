/* SPDX-License-Identifier: Apache-2.0 */
/* Orders that are paid by another service, as a saga without an orchestrator: README.md beside this file draws it. Compile it as a plug-in:
 *
 *   cc -shared -fPIC -o payments.so payments.c
 *   chard consume order stock --tasks ./payments.so
 *   chard worker -Q order.expire --tasks ./payments.so
 *
 * An order's state is a row of facts, "state/1", "state/2" …, each written once: whoever is first makes the move, and who comes with an older picture
 * thinks again. So each consumer is idempotent by the order's state, on one process or many, from the store or from Kafka. */
#include <chard.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PENDING_FOR_S = 300, KEY_SIZE = 32 };

/* ---- what both consumers need ---- */

/* A JSON object with one place for each "%s", which are texts that are quoted already. */
static char *json(const struct chard_input *in, const char *format, const char *a, const char *b, const char *c,
                  const char *d)
{
        const size_t size = strlen(format) + strlen(a) + strlen(b) + strlen(c) + strlen(d) + 1;
        char *text = chard_allocate(in, size);
        if (text)
                snprintf(text, size, format, a, b, c, d);
        return text;
}

/* A text of the payload as JSON; "null" where there is none. */
static const char *quoted(const struct chard_input *in, const char *pointer)
{
        const char *text = chard_json(in, pointer);
        return text ? text : "null";
}

static const char *seen(const struct chard_input *in, const char *kind, const char *owner, const char *key)
{
        const char *value = chard_fact(in, kind, owner, key);
        return value ? value : "null";
}

/* The last of the facts "NAME/1", "NAME/2" …; writes the key of the next one. NULL: there is none yet. */
static const char *last_of(const struct chard_input *in, const char *kind, const char *owner, const char *name,
                           char next[KEY_SIZE])
{
        const char *last = NULL, *value;
        for (int n = 1;; n++) {
                snprintf(next, KEY_SIZE, "%s/%d", name, n);
                if (!(value = chard_fact(in, kind, owner, next)))
                        return last;
                last = value;
        }
}

static int is(const char *json_text, const char *state)
{
        return json_text && strlen(json_text) == strlen(state) + 2 && strncmp(json_text + 1, state, strlen(state)) == 0;
}

/* ---- order: PENDING -> PREPARING, or FAILED ---- */

/* What the order is made of is kept beside its state: whoever gives it back finds it there. */
static int order_place(const struct chard_input *in, const char *order, struct chard_outcome *out)
{
        const char *coupon = chard_text(in, "/payload/coupon");
        char *expire =
                json(in,
                     "{\"task\": \"order.expire\", \"kwargs\": {\"order_id\": %s}, \"immutable\": true, \"options\":"
                     " {\"queue\": \"order.expire\", \"countdown\": %s}}%s%s",
                     chard_quote(in, order), "300", "", "");
        char *parts = json(in, "{\"user_id\": %s, \"sku\": %s, \"coupon\": %s}%s", quoted(in, "/payload/user_id"),
                           quoted(in, "/payload/sku"), quoted(in, "/payload/coupon"), "");
        if (!expire || !parts)
                return CHARD_BROKEN;
        if (coupon && chard_fact_merge(out, "coupon", coupon, order, "\"used\""))
                return CHARD_BROKEN;
        return chard_fact_once(out, "order", order, "state/1", "\"PENDING\"") ||
                               chard_fact_once(out, "order", order, "parts", parts) ||
                               (coupon && chard_fact_once(out, "order", order, "coupon", chard_quote(in, coupon))) ||
                               chard_fact_once(out, "order", order, "sku", quoted(in, "/payload/sku")) ||
                               chard_send(out, expire)
                       ? CHARD_BROKEN
                       : CHARD_DONE;
}

/* A coupon's name out of its fact, without the quotes; an empty one where the order has none. */
static const char *order_coupon(const struct chard_input *in, const char *order)
{
        const char *fact = chard_fact(in, "order", order, "coupon");
        const size_t size = fact ? strlen(fact) : 0;
        char *name = chard_allocate(in, size + 1);
        if (name && size > 2)
                memcpy(name, fact + 1, size - 2);
        return name;
}

/* The order has failed: it and its coupon are given back here, and whoever hears of it gives back what is theirs. */
static int order_fail(const struct chard_input *in, const char *order, const char *next, struct chard_outcome *out)
{
        const char *coupon = order_coupon(in, order);
        char *failed = json(in, "{\"order_id\": %s, \"sku\": %s, \"coupon\": %s, \"reason\": %s}",
                            chard_quote(in, order), seen(in, "order", order, "sku"), seen(in, "order", order, "coupon"),
                            quoted(in, "/payload/reason"));
        if (!coupon || !failed || chard_fact_once(out, "order", order, next, "\"FAILED\""))
                return CHARD_BROKEN;
        if (*coupon && chard_fact_merge(out, "coupon", coupon, order, "\"returned\""))
                return CHARD_BROKEN;
        return chard_event(out, "orders-failed", order, "OrderFailed", failed);
}

static int order_pay(const struct chard_input *in, const char *order, const char *state, const char *next,
                     struct chard_outcome *out)
{
        char *refund = json(in, "{\"order_id\": %s, \"payment_id\": %s}%s%s", chard_quote(in, order),
                            quoted(in, "/payload/payment_id"), "", "");
        if (is(state, "PENDING"))
                return chard_fact_once(out, "order", order, next, "\"PREPARING\"");
        if (is(state, "FAILED")) /* the money came after all, and nobody will prepare anything for it */
                return refund ? chard_event(out, "payments-refund", order, "RefundDue", refund) : CHARD_BROKEN;
        return CHARD_DONE; /* it is being prepared: this is the same payment once more */
}

static int order_act(const struct chard_input *in, struct chard_outcome *out)
{
        char next[KEY_SIZE];
        const char *order = chard_text(in, "/payload/order_id"), *type = chard_text(in, "/type");
        if (!order || !*order)
                return chard_refuse(in, "bad_payload", "the payload has no order_id");
        const char *state = last_of(in, "order", order, "state", next);
        if (strcmp(type, "OrderPlaced") == 0)
                return state ? CHARD_DONE : order_place(in, order, out);
        if (!state) /* its placing is on another topic, and may come a little later */
                return chard_retry(in, -1, -1);
        if (strcmp(type, "PaymentPaid") == 0)
                return order_pay(in, order, state, next, out);
        /* PaymentFailed, OrderRejected, OrderExpired. A payment that was processed is never compensated, and what has failed fails once. */
        return is(state, "PENDING") ? order_fail(in, order, next, out) : CHARD_DONE;
}

static const struct chard_consumer order_consumer = {
        .name = "order",
        .hears = { "OrderPlaced", "PaymentPaid", "PaymentFailed", "OrderRejected", "OrderExpired" },
        .aggregates = { "orders-placed", "payments-paid", "payments-failed", "orders-rejected", "orders-expired" },
        .sees = { { "order", "/payload/order_id" } },
        .retry_limit = 8,
        .retry_base_ms = 500,
        .retry_cap_ms = 30000,
        .act = order_act,
};

/* ---- stock: taken for an order, given back when that fails ---- */

/* "free/N" is what is left of a thing after the Nth move; "of/ORDER", what became of an order's. */
static int stock_move(const struct chard_input *in, const char *sku, const char *mark, const char *became, int by,
                      struct chard_outcome *out)
{
        char next[KEY_SIZE], free_now[KEY_SIZE];
        const char *free_then = last_of(in, "stock", sku, "free", next);
        const long left = (free_then ? strtol(free_then, NULL, 10) : 0) + by;
        if (left < 0)
                return chard_refuse(in, "out_of_stock", "there is none left of it");
        snprintf(free_now, sizeof(free_now), "%ld", left);
        return chard_fact_once(out, "stock", sku, next, free_now) || chard_fact_merge(out, "stock", sku, mark, became);
}

static int stock_act(const struct chard_input *in, struct chard_outcome *out)
{
        const char *order = chard_text(in, "/payload/order_id"), *sku = chard_text(in, "/payload/sku");
        const int takes = strcmp(chard_text(in, "/type"), "OrderPlaced") == 0;
        if (!order || !sku)
                return chard_refuse(in, "bad_payload", "the payload has no order_id, or no sku");
        char *mark = json(in, "of/%s%s%s%s", order, "", "", "");
        if (!mark)
                return CHARD_BROKEN;
        const char *became = chard_fact(in, "stock", sku, mark);
        if (takes)
                return became ? CHARD_DONE : stock_move(in, sku, mark, "\"taken\"", -1, out);
        if (is(became, "taken"))
                return stock_move(in, sku, mark, "\"given back\"", 1, out);
        /* nothing was taken for it, and nothing will be any more */
        return became ? CHARD_DONE : chard_fact_merge(out, "stock", sku, mark, "\"never taken\"");
}

/* There is none left: the order must not wait for its payment. */
static int stock_compensate(const struct chard_input *in, const char *code, struct chard_outcome *out)
{
        const char *order = chard_text(in, "/payload/order_id");
        if (!order || strcmp(chard_text(in, "/type"), "OrderPlaced") != 0)
                return CHARD_REFUSE;
        char *rejected = json(in, "{\"order_id\": %s, \"reason\": %s}%s%s", chard_quote(in, order),
                              chard_quote(in, code), "", "");
        return rejected ? chard_event(out, "orders-rejected", order, "OrderRejected", rejected) : CHARD_BROKEN;
}

static const struct chard_consumer stock_consumer = {
        .name = "stock",
        .hears = { "OrderPlaced", "OrderFailed" },
        .aggregates = { "orders-placed", "orders-failed" },
        .sees = { { "stock", "/payload/sku" } },
        .retry_limit = 5,
        .retry_base_ms = 500,
        .retry_cap_ms = 30000,
        .act = stock_act,
        .compensate = stock_compensate,
};

/* ---- order.expire: five minutes later, is it still PENDING? ---- */

static int expire_run(const struct chard_input *in, struct chard_outcome *out)
{
        char next[KEY_SIZE];
        const char *id = chard_text(in, "/input/order_id");
        if (!id)
                return chard_refuse(in, "bad_input", "there is no order_id");
        char *payload = json(in, "{\"order_id\": %s, \"reason\": \"not paid within 5 minutes\"}%s%s%s",
                             chard_quote(in, id), "", "", "");
        if (!is(last_of(in, "order", id, "state", next), "PENDING"))
                return CHARD_DONE;
        return payload ? chard_event(out, "orders-expired", id, "OrderExpired", payload) : CHARD_BROKEN;
}

static const struct chard_task order_expire = {
        .name = "order.expire",
        .queue = "order.expire",
        .deadline_ms = 5000,
        .retry_limit = 5,
        .retry_base_ms = 1000,
        .retry_cap_ms = 60000,
        .sees = { { "order", "/input/order_id" } },
        .run = expire_run,
};

CHARD_PLUGIN(&order_expire);
CHARD_CONSUMERS(&order_consumer, &stock_consumer);
