/* SPDX-License-Identifier: Apache-2.0 */
/* `chard events verify`: are the events of each day still those that were sealed? */
#include "cli/common/command.h"

#include "cli/common/store_client.h"
#include "cli/common/view.h"
#include "core/json.h"
#include "store/seal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct verifying {
        struct store_client client;
        const char *since, *expect;
        bool json, seal;
        bool broken;   /* something is not as it was sealed */
        bool expected; /* the chain that was asked for came by */
        size_t good, events;
        char chain[80]; /* of the last day that was sealed */
};

static bool verify_is_day(const char *text)
{
        static const char form[] = "0000-00-00";
        for (size_t i = 0; i < sizeof(form); i++)
                if (form[i] == '0' ? !isdigit((unsigned char)text[i]) : text[i] != form[i])
                        return false;
        return true;
}

/* What is wrong with it, or NULL. */
static const char *verify_fault(const json_t *day)
{
        const json_t *sealed = json_object_get(day, "sealed");
        const json_int_t events = json_number(day, "events", 0), were = json_number(sealed, "events", 0);
        if (!json_is_object(sealed))
                return "not sealed";
        if (!json_is_true(json_object_get(sealed, "holds")))
                return "the seal itself was changed, or one before it is gone";
        if (strcmp(json_text(day, "digest", ""), json_text(sealed, "digest", "-")) == 0)
                return NULL;
        if (events == 0)
                return "all of its events are gone";
        return events < were ? "events are missing" : events > were ? "events were added" : "an event was changed";
}

static void verify_print(struct verifying *v, json_t *day, const char *fault)
{
        const json_t *sealed = json_object_get(day, "sealed");
        if (v->json) {
                json_object_set_new(day, "fault", fault ? json_string(fault) : json_null());
                view_json(day);
        } else if (fault) {
                printf("%s  %s: %lld events, %lld when it was sealed\n", json_text(day, "day", "?"), fault,
                       (long long)json_number(day, "events", 0), (long long)json_number(sealed, "events", 0));
        }
}

static int verify_day(struct verifying *v, const char *day)
{
        struct store *s = v->client.store;
        s->seal->day(s, day, store_client_on_json, &v->client);
        const int code = store_client_wait(&v->client);
        if (code)
                return code;
        const char *fault = verify_fault(v->client.value);
        const char *chain = json_text(json_object_get(v->client.value, "sealed"), "chain", "");
        verify_print(v, v->client.value, fault);
        v->broken = v->broken || fault;
        v->good += !fault;
        v->events += (size_t)json_number(v->client.value, "events", 0);
        v->expected = v->expected || (v->expect && strcmp(chain, v->expect) == 0);
        snprintf(v->chain, sizeof(v->chain), "%s", chain);
        return 0;
}

static int verify_seal(struct verifying *v, const char *day)
{
        struct store *s = v->client.store;
        s->seal->make(s, day, store_client_on_json, &v->client);
        return store_client_wait(&v->client);
}

static int verify_days(struct verifying *v)
{
        struct store *s = v->client.store;
        s->seal->days(s, v->since ? v->since : "", store_client_on_json, &v->client);
        int code = store_client_wait(&v->client);
        if (code)
                return code;
        json_t *days = json_incref(v->client.value), *day;
        size_t i;
        json_array_foreach(days, i, day) {
                const char *name = json_text(day, "day", "");
                if (code == 0 && v->seal && !json_is_true(json_object_get(day, "sealed")))
                        code = verify_seal(v, name);
                if (code == 0)
                        code = verify_day(v, name);
        }
        json_decref(days);
        return code;
}

static int verify_conclude(struct verifying *v)
{
        const bool lost = v->expect && !v->expected;
        if (lost)
                fprintf(stderr,
                        "chard %s: no seal has the chain %.80s: the seals were made anew, or they end before it\n",
                        v->client.self->name, v->expect);
        if (!v->json)
                printf("%zu days as they were sealed, %zu events in all%s%s\n", v->good, v->events,
                       *v->chain ? "; the chain ends in " : "", v->chain);
        return v->broken || lost ? EXIT_FAILED : EXIT_DONE;
}

static int events_verify_run(const struct command *self, int argc, char **argv)
{
        struct settings s;
        struct verifying v = { 0 };
        const struct own_flag own[] = {
                { "--since", 0, NULL, &v.since, "DAY", "begin with this day, like 2026-11-30" },
                { "--expect", 0, NULL, &v.expect, "CHAIN",
                  "fail as well unless one of the days has this chain: what was printed before, and kept elsewhere" },
                { "--seal", 0, &v.seal, NULL, NULL,
                  "seal days that are over and not sealed yet; a keeper does it every hour" },
                { "--json", 0, &v.json, NULL, NULL, "one JSON object a day" },
                { 0 },
        };
        int code;
        if (!command_load(self, own, &s, argc, argv, NULL, &code))
                return code;
        if (v.since && !verify_is_day(v.since)) {
                code = command_misuse(self, "--since: \"%.40s\" is no day like 2026-11-30", v.since);
        } else {
                code = store_client_open(&v.client, self, &s);
                if (code == 0)
                        code = verify_days(&v);
                if (code == 0)
                        code = verify_conclude(&v);
                store_client_close(&v.client);
        }
        settings_free(&s);
        return code;
}

const struct command command_events_verify = {
        .name = "events verify",
        .summary = "Check that the events of each day are those that were sealed",
        .usage = "[--since DAY] [--expect CHAIN] [--seal] [--json]",
        .example = "  chard events verify\n  chard events verify --since 2026-11-01 --expect 5c0f…",
        .details =
                "A day (UTC) is sealed an hour after its end: a digest of all of its events, chained to the seal of the day before. A row that was\n"
                "changed, taken out or slipped in later, or a seal that was, ends it with 1. Whoever could change both keeps the last chain\n"
                "elsewhere and asks for it with --expect.",
        .run = events_verify_run,
};
