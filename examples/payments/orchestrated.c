/* SPDX-License-Identifier: Apache-2.0 */
/* The same trade by orchestration: one table says what an order goes through, and what undoes it. README.md beside this file draws it. Compile it as a
 * plug-in:
 *
 *   cc -shared -fPIC -o orchestrated.so orchestrated.c
 *   chard consume checkout stockroom --tasks ./orchestrated.so
 *   chard job ORDER
 *
 * "stockroom" is one who does a step: it answers StockWanted, and StockUnwanted, and is idempotent by what it knows of the order. Payment and delivery
 * answer from elsewhere. */
#include <chard.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- checkout: the saga ---- */

static const struct chard_saga_step checkout_steps[] = {
        { .name = "stock",
          .asks = { "stock-asked", "StockWanted" },
          .done = "StockTaken",
          .failed = "StockRefused",
          .undoes = { "stock-asked", "StockUnwanted" },
          .undone = "StockGivenBack",
          .timeout_ms = 10000,
          .times = 3 },
        { .name = "payment",
          .asks = { "payments-asked", "PaymentWanted" },
          .done = "PaymentPaid",
          .failed = "PaymentFailed",
          .undoes = { "payments-asked", "RefundDue" }, /* whoever took no money has nothing to give back */
          .timeout_ms = 300000 },
        { .name = "delivery",
          .asks = { "deliveries-asked", "DeliveryWanted" },
          .done = "DeliveryPlanned",
          .failed = "DeliveryRefused",
          .undoes = { "deliveries-asked", "DeliveryUnwanted" },
          .timeout_ms = 60000,
          .times = 5 },
        { 0 },
};

static const struct chard_saga checkout = {
        .begins = "CheckoutWanted",
        .steps = checkout_steps,
        .ends = { "orders", "OrderPrepared" },
        .fails = { "orders", "OrderFailed" },
};

static const struct chard_consumer checkout_consumer = {
        .name = "checkout",
        .aggregates = { "checkouts", "stock", "payments-paid", "payments-failed", "deliveries" },
        .sees = { { "saga", "/aggregate_id" } },
        .saga = &checkout,
};

/* ---- stockroom: one of its steps ---- */

/* "free/N" is what is left of a thing after the Nth move; "of/ORDER", what became of an order's. */
static int stockroom_move(const struct chard_input *in, const char *sku, const char *mark, const char *became, int by,
                          struct chard_outcome *out)
{
        char key[32], left_now[32];
        long left = 0;
        const char *value;
        int n = 1;
        for (;; n++) {
                snprintf(key, sizeof(key), "free/%d", n);
                if (!(value = chard_fact(in, "stock", sku, key)))
                        break;
                left = strtol(value, NULL, 10);
        }
        if (left + by < 0)
                return CHARD_REFUSE;
        snprintf(left_now, sizeof(left_now), "%ld", left + by);
        return chard_fact_once(out, "stock", sku, key, left_now) || chard_fact_merge(out, "stock", sku, mark, became);
}

static int stockroom_answer(const struct chard_input *in, const char *type, const char *reason,
                            struct chard_outcome *out)
{
        char payload[128];
        snprintf(payload, sizeof(payload), reason ? "{\"reason\": \"%s\"}" : "{}", reason ? reason : "");
        return chard_event(out, "stock", chard_text(in, "/aggregate_id"), type, payload);
}

static int stockroom_take(const struct chard_input *in, const char *sku, const char *mark, struct chard_outcome *out)
{
        const char *became = chard_fact(in, "stock", sku, mark);
        if (!became && stockroom_move(in, sku, mark, "\"taken\"", -1, out) == CHARD_REFUSE)
                return stockroom_answer(in, "StockRefused", "out of stock", out);
        if (became && strcmp(became, "\"taken\"") != 0)
                return CHARD_DONE; /* it has been given back: nobody waits for this any more */
        return stockroom_answer(in, "StockTaken", NULL, out);
}

/* What was never taken never will be: the asking may come after this. */
static int stockroom_give_back(const struct chard_input *in, const char *sku, const char *mark,
                               struct chard_outcome *out)
{
        const char *became = chard_fact(in, "stock", sku, mark);
        const int taken = became && strcmp(became, "\"taken\"") == 0;
        if (taken && stockroom_move(in, sku, mark, "\"given back\"", 1, out))
                return CHARD_BROKEN;
        if (!became && chard_fact_merge(out, "stock", sku, mark, "\"never taken\""))
                return CHARD_BROKEN;
        return stockroom_answer(in, "StockGivenBack", NULL, out);
}

static int stockroom_act(const struct chard_input *in, struct chard_outcome *out)
{
        const char *order = chard_text(in, "/aggregate_id"), *sku = chard_text(in, "/payload/sku");
        char *mark = chard_allocate(in, strlen(order) + 4);
        if (!sku)
                return stockroom_answer(in, "StockRefused", "no sku", out);
        if (!mark)
                return CHARD_BROKEN;
        sprintf(mark, "of/%s", order);
        return strcmp(chard_text(in, "/type"), "StockWanted") == 0 ? stockroom_take(in, sku, mark, out)
                                                                   : stockroom_give_back(in, sku, mark, out);
}

static const struct chard_consumer stockroom_consumer = {
        .name = "stockroom",
        .hears = { "StockWanted", "StockUnwanted" },
        .aggregates = { "stock-asked" },
        .sees = { { "stock", "/payload/sku" } },
        .retry_limit = 5,
        .retry_base_ms = 500,
        .retry_cap_ms = 30000,
        .act = stockroom_act,
};

CHARD_CONSUMERS(&checkout_consumer, &stockroom_consumer);
