/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/link/conninfo.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
        const char *keyword, *value;
} wanted[] = {
        { "client_encoding", "UTF8" },
        { "keepalives_idle", "5" },
        { "keepalives_interval", "2" },
        { "keepalives_count", "3" },
        { "target_session_attrs", "read-write" }, /* of several hosts the primary, also after a failover */
};

static PQconninfoOption *conninfo_option(PQconninfoOption *options, const char *keyword)
{
        for (PQconninfoOption *o = options; o->keyword; o++) {
                if (strcmp(o->keyword, keyword) == 0)
                        return o;
        }
        return NULL;
}

static void conninfo_add(struct conninfo *a, size_t *n, const char *keyword, const char *value)
{
        if (*n >= CONNINFO_MAX)
                return;
        a->keywords[*n] = keyword;
        a->values[(*n)++] = value;
}

static void conninfo_add_unless_given(struct conninfo *a, size_t *n, const char *keyword, const char *value)
{
        PQconninfoOption *given = conninfo_option(a->parsed, keyword);

        if (given && !given->val)
                conninfo_add(a, n, keyword, value);
}

/* A host that doesn't answer at all must not use up the time of the next one: the kernel gives up on it after its share.
 * (Linux applies TCP_USER_TIMEOUT to the handshake too.) */
static unsigned user_timeout(PQconninfoOption *options, unsigned connect_timeout_ms, unsigned silence_ms)
{
        const PQconninfoOption *host = conninfo_option(options, "host");
        unsigned hosts = 1, share;

        for (const char *at = host && host->val ? host->val : ""; *at; at++)
                hosts += *at == ',';
        if (hosts == 1 || connect_timeout_ms == 0)
                return silence_ms;
        share = connect_timeout_ms / hosts;
        return share < silence_ms ? share : silence_ms;
}

/* libpq looks at ports only while it connects, and then that looks like a server out of reach. Empty ones are the default. */
static bool ports_are_numbers(PQconninfoOption *options)
{
        const PQconninfoOption *port = conninfo_option(options, "port");
        const char *at = port && port->val ? port->val : "";

        for (;; at++) {
                size_t digits = strspn(at, "0123456789");
                long number = digits > 0 ? strtol(at, NULL, 10) : 1;
                const char *end = at + digits;

                if (number < 1 || number > 65535 || (*end != ',' && *end != '\0'))
                        return false;
                if (*end == '\0')
                        return true;
                at = end;
        }
}

int conninfo_read(struct conninfo *a, const char *url, const char *owner, unsigned connect_timeout_ms,
                  unsigned silence_ms, struct problem *why)
{
        PQconninfoOption *parsed = PQconninfoParse(url, NULL);
        size_t n = 0;

        memset(a, 0, sizeof(*a));
        /* libpq's own complaint would quote the URL, password and all. */
        if (!parsed || !ports_are_numbers(parsed)) {
                PQconninfoFree(parsed);
                return problem_set(why, "store", "bad_url",
                                   "the store's URL can't be read; it must look like "
                                   "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, special characters as %%XX");
        }
        a->parsed = parsed;
        for (const PQconninfoOption *o = parsed; o->keyword; o++) {
                if (o->val && strcmp(o->keyword, "connect_timeout") != 0)
                        conninfo_add(a, &n, o->keyword, o->val);
        }
        snprintf(a->user_timeout, sizeof(a->user_timeout), "%u", user_timeout(parsed, connect_timeout_ms, silence_ms));
        snprintf(a->application, sizeof(a->application), "%s", owner && *owner ? owner : "chard");
        conninfo_add_unless_given(a, &n, "tcp_user_timeout", a->user_timeout);
        conninfo_add_unless_given(a, &n, "application_name", a->application);
        /* Else each connection looks for Kerberos tickets first: a megabyte, and milliseconds of a start. */
        if (!getenv("PGGSSENCMODE"))
                conninfo_add_unless_given(a, &n, "gssencmode", "disable");
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
                conninfo_add_unless_given(a, &n, wanted[i].keyword, wanted[i].value);
        return 0;
}

void conninfo_free(struct conninfo *a)
{
        PQconninfoFree(a->parsed);
        memset(a, 0, sizeof(*a));
}
