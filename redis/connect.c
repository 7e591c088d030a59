/* SPDX-License-Identifier: Apache-2.0 */
/* How a link gets to its server: the sentinels' word where there are any, the first address of a name that answers,
 * the greeting. */
#include "core/backoff.h"

#include "core/clock.h"
#include "core/id.h"
#include "core/log.h"
#include "core/net/dial.h"
#include "core/thread/work.h"
#include "redis/link_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AGAIN_MS = 100, LONGEST_MS = 5000, LOOK_MS = 1000 };

static void link_dial_host(struct redis_link *l, const struct redis_host *to);

static void link_enter(struct redis_link *l, enum link_state state)
{
        l->state = state;
        l->since_ms = clock_mono_ms();
}

static bool link_has_sentinels(const struct redis_link *l)
{
        return l->address.master != NULL;
}

static bool link_wants_tls(const struct redis_link *l)
{
        return l->asking ? l->address.sentinel_tls : l->address.tls.on;
}

/* ---- away ---- */

bool link_passes(const redisReply *reply)
{
        static const char *const words[] = { "LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "BUSY",    "UNBLOCKED",
                                             "OOM",     "MISCONF",  "NOREPLICAS", "NOAUTH",      "TRYAGAIN" };
        /* Before Redis 7 what a script ran into stands behind its own words. */
        const char *inner = strncmp(reply->str, "ERR Error running script", 24) == 0 ? strstr(reply->str, ": -") : NULL;
        const char *text = inner ? inner + 3 : reply->str;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (strncmp(text, words[i], strlen(words[i])) == 0)
                        return true;
        return false;
}

/* A sentinel that is of no use is passed over at once, as long as there is another one; one whose master is of no use may be behind the
 * others. */
static bool link_pass_over(struct redis_link *l)
{
        if (link_has_sentinels(l))
                l->sentinel = (l->sentinel + 1) % l->address.host_count;
        if (!l->asking)
                return false;
        l->passed_over = (l->passed_over + 1) % (unsigned)l->address.host_count;
        return l->passed_over != 0;
}

/* On demand: was there no use in making it anew, and has each sentinel had its turn? */
static bool link_is_useless(struct redis_link *l, bool was_away)
{
        l->tries += was_away;
        if (!l->config.on_demand || l->tries == 0 || (link_has_sentinels(l) && l->tries < l->address.host_count))
                return false;
        l->tries = 0;
        return true;
}

static void link_away_as(struct redis_link *l, const char *why, bool refused)
{
        if (l->state == LINK_CLOSED)
                return;
        const bool at_once = link_pass_over(l), was_up = l->state == LINK_UP, was_away = l->away_ms != 0;
        snprintf(l->why, sizeof(l->why), "%s", why);
        l->refused = refused;
        if (!l->told && !at_once)
                l->absence.what = l->asking ? "Redis's sentinels" : "Redis";
        if (l->told || !at_once)
                absence_lost(&l->absence, 1, why, clock_mono_ms());
        l->told = l->told || !at_once;
        l->failures += !at_once;
        link_stop_dialling(l, 0);
        redis_wire_close(l->wire);
        l->wire = NULL;
        link_enter(l, LINK_AWAY);
        if (!l->away_ms)
                l->away_ms = clock_mono_ms();
        link_forget_sent(l);
        const uint64_t wait_ms = at_once || l->config.on_demand
                                         ? 0
                                         : AGAIN_MS + backoff_ms(AGAIN_MS, LONGEST_MS, l->failures, random_bits());
        l->next_ms = clock_mono_ms() + wait_ms;
        uv_timer_start(&l->timer, link_timer, wait_ms < LOOK_MS ? wait_ms : LOOK_MS, LOOK_MS);
        if (was_up && l->config.lost)
                l->config.lost(l->config.arg);
        if (link_is_useless(l, was_away))
                link_give_up(l);
}

void link_away(struct redis_link *l, const char *why)
{
        link_away_as(l, why, false);
}

void link_refused(struct redis_link *l, const redisReply *reply)
{
        link_away_as(l, reply->str, true);
}

/* ---- greeting ---- */

/* Say `words`; one more answer is awaited. */
static void link_say(struct redis_link *l, const char *const words[], int count)
{
        size_t sizes[4];
        char *text = NULL;
        for (int i = 0; i < count; i++)
                sizes[i] = strlen(words[i]);
        const int size = (int)redisFormatCommandArgv(&text, count, (const char **)(uintptr_t)words, sizes);
        l->greetings++;
        if (size < 0)
                return; /* no answer comes, so it is tried again */
        redis_wire_write(l->wire, bytes_of(text, (size_t)size));
        redisFreeCommand(text);
}

static void link_authenticate(struct redis_link *l, const char *user, const char *password)
{
        if (user && password)
                link_say(l, (const char *[]){ "AUTH", user, password }, 3);
        else if (password)
                link_say(l, (const char *[]){ "AUTH", password }, 2);
}

static void link_greet(struct redis_link *l)
{
        const struct redis_address *a = &l->address;
        link_enter(l, LINK_GREETING);
        l->greetings = 0;
        if (l->asking) {
                link_authenticate(l, a->sentinel_user, a->sentinel_password);
                link_say(l, (const char *[]){ "SENTINEL", "get-master-addr-by-name", a->master }, 3);
                return;
        }
        link_authenticate(l, a->user, a->password);
        if (a->db)
                link_say(l, (const char *[]){ "SELECT", a->db }, 2);
        link_say(l, (const char *[]){ "PING" }, 1); /* one that takes connections and never answers is not up */
}

static void link_on_probed(redisReply *reply, void *arg)
{
        (void)reply, (void)arg; /* the link has seen it */
}

/* Write what nobody reads: one that is full, or that only follows another, greets all the same. */
static void link_probe(struct redis_link *l)
{
        struct buffer key = { 0 };
        buffer_addf(&key, "%s%s", redis_link_prefix(l), l->config.probe_key);
        const struct bytes words[] = { bytes_of_string("SETEX"), buffer_view(&key), bytes_of_string("1"),
                                       bytes_of_string("") };
        if (redis_link_send(l, words, sizeof(words) / sizeof(words[0]), link_on_probed, NULL) != 0)
                link_serves(l);
        buffer_free(&key);
}

static void link_on_greeted(struct redis_link *l)
{
        link_enter(l, LINK_UP);
        if (!l->first && l->told && l->config.probe_key)
                link_probe(l);
        else if (!l->first)
                link_serves(l);
        link_up(l);
}

/* Greeting is not serving: one that is full greets, and refuses what comes then. */
void link_serves(struct redis_link *l)
{
        l->failures = 0;
        l->tries = 0;
        l->absence.what = "Redis";
        absence_back(&l->absence, 1, clock_mono_ms());
        l->told = false;
        l->away_ms = 0;
}

/* A sentinel's word: [name or address, port]. */
static void link_go_to_master(struct redis_link *l, const redisReply *reply)
{
        const bool known = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                           reply->element[0]->type == REDIS_REPLY_STRING && reply->element[0]->len > 0 &&
                           reply->element[1]->type == REDIS_REPLY_STRING;
        if (!known) {
                link_away(l, "they know no master of that name");
                return;
        }
        free(l->master.name);
        free(l->master.port);
        l->master = (struct redis_host){ strdup(reply->element[0]->str), strdup(reply->element[1]->str) };
        l->passed_over = 0;
        redis_wire_close(l->wire);
        l->wire = NULL;
        if (!l->master.name || !l->master.port) {
                link_away(l, "memory ran out");
                return;
        }
        l->asking = false;
        link_dial_host(l, &l->master);
}

void link_greeted(struct redis_link *l, const redisReply *reply)
{
        if (l->state == LINK_CONNECTING && !reply) {
                link_greet(l);
                return;
        }
        if (l->state != LINK_GREETING || !reply)
                link_away(l, "it speaks before it is asked");
        else if (reply->type == REDIS_REPLY_ERROR && (l->greetings > 1 || strncmp(reply->str, "NOPERM", 6) != 0))
                link_refused(l, reply);
        else if (--l->greetings > 0)
                return;
        else if (l->asking)
                link_go_to_master(l, reply);
        else
                link_on_greeted(l); /* PING may be forbidden to the user: that is an answer as well */
}

/* ---- the connection ---- */

static void link_open_wire(struct redis_link *l, const struct redis_target *target)
{
        link_enter(l, LINK_CONNECTING);
        const int rc = redis_wire_open(&l->wire, l->config.loop, target, &link_listener, l);
        if (rc == 0)
                return;
        l->wire = NULL;
        link_away(l, uv_strerror(rc));
}

/* One try to get to an address. The link may be gone before it ends. */
struct dialling {
        struct redis_link *link;
        struct work *work;
        char *host, *port;
        unsigned timeout_ms;
        int rc;
        struct dialled found;
};

static void dialling_run(void *arg)
{
        struct dialling *d = arg;
        d->rc = dial(d->host, d->port, d->timeout_ms, -1, &d->found);
}

static void dialling_free(struct dialling *d)
{
        free(d->host);
        free(d->port);
        free(d);
}

static void dialling_forget(void *arg)
{
        struct dialling *d = arg;
        if (d->found.fd >= 0)
                close(d->found.fd);
        dialling_free(d);
}

static void dialling_done(void *arg)
{
        struct dialling *d = arg;
        struct redis_link *l = d->link;
        struct redis_target target = { .fd = d->found.fd };
        l->dialling = NULL;
        if (d->rc)
                link_away(l, d->found.why);
        else if (link_wants_tls(l) && !(target.tls = tls_new(l->tls, &l->address.tls, l->to->name))) {
                close(target.fd);
                link_away(l, "memory ran out");
        } else {
                link_open_wire(l, &target);
        }
        dialling_free(d);
}

static void link_dial_host(struct redis_link *l, const struct redis_host *to)
{
        static const struct work_calls calls = { dialling_run, dialling_done, dialling_forget };
        struct dialling *d = calloc(1, sizeof(*d));
        link_enter(l, LINK_DIALLING);
        l->to = to;
        if (d) {
                *d = (struct dialling){ .link = l, .host = strdup(to->name), .port = strdup(to->port), .found.fd = -1 };
                d->timeout_ms = l->config.connect_timeout_ms;
        }
        if (d && d->host && d->port && work_start(&d->work, l->config.loop, &calls, d) == 0) {
                l->dialling = d;
                return;
        }
        if (d)
                dialling_free(d);
        link_away(l, "memory or threads ran out");
}

void link_stop_dialling(struct redis_link *l, unsigned grace_ms)
{
        if (l->dialling)
                work_abandon(l->dialling->work, grace_ms);
        l->dialling = NULL;
}

void link_connect(struct redis_link *l)
{
        const struct redis_target target = { .path = l->address.path };
        l->asking = link_has_sentinels(l);
        if (l->address.path)
                link_open_wire(l, &target);
        else
                link_dial_host(l, l->asking ? &l->address.hosts[l->sentinel] : &l->address.hosts[0]);
}
