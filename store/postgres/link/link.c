/* SPDX-License-Identifier: Apache-2.0 */
/* A connection on the loop, in libpq's pipeline mode. It is opened by a thread of its own, because resolving a name blocks;
 * from then on only the loop touches it. A link that breaks, or whose server leaves a group unanswered for too long,
 * gives all calls back to their lanes and is opened again after a pause. */
#include "store/postgres/postgres.h"

#include "core/backoff.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/thread/work.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BACKOFF_BASE_MS 100
#define BACKOFF_CAP_MS  5000
#define CONNECT_MS      5000

/* A session being opened by a thread. */
struct opening {
        struct work *work;
        struct pg_link *link;
        struct pg_store *store;
        struct patience patience;
        PGconn *pg;
        struct problem why;
        int rc;
};

static void pg_link_on_timer(uv_timer_t *timer);

/* ---- opening ---- */

static void open_session(void *arg)
{
        struct opening *o = arg;
        struct pg_store *s = o->store;

        o->rc = session_open(&s->conninfo, o->link->kind, s->answer_timeout_ms, &o->patience, &o->pg, &o->why);
}

static void pause_then_open(struct pg_link *link)
{
        link->state = PG_LINK_WAITING;
        link->lost = true;
        uv_timer_start(&link->timer, pg_link_on_timer,
                       backoff_ms(BACKOFF_BASE_MS, BACKOFF_CAP_MS, link->failures++, random_bits()), 0);
}

static void opening_free(struct opening *o)
{
        struct pg_store *s = o->store;

        close(o->patience.cancel_fd);
        free(o);
        store_drop(s);
}

static void session_opened(void *arg)
{
        struct opening *o = arg;
        struct pg_link *link = o->link;

        link->opening = NULL;
        if (o->rc != 0 || pg_link_adopt(link, o->pg) != 0) {
                pause_then_open(link);
                store_changed(o->store, o->why.text);
        }
        opening_free(o);
}

/* The link was closed meanwhile; perhaps its whole loop is gone. */
static void session_unwanted(void *arg)
{
        struct opening *o = arg;

        if (o->pg)
                PQfinish(o->pg);
        opening_free(o);
}

void pg_link_want(struct pg_link *link)
{
        static const struct work_calls calls = { open_session, session_opened, session_unwanted };
        struct pg_store *s = link->store;
        struct opening *o = calloc(1, sizeof(*o));
        unsigned timeout = s->config.connect_timeout_ms ? s->config.connect_timeout_ms : CONNECT_MS;

        if (!o || (o->patience.cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
                free(o);
                pause_then_open(link);
                return;
        }
        o->link = link;
        o->store = s;
        o->patience.deadline_ms = clock_mono_ms() + timeout;
        link->opening = o;
        link->state = PG_LINK_CONNECTING;
        store_hold(s);
        if (work_start(&o->work, s->config.loop, &calls, o) != 0) {
                o->rc = -ENOMEM;
                session_opened(o);
        }
}

/* ---- sending ---- */

/* By the statement's name, as it is prepared, or by its text. */
static int send_arguments(struct pg_link *link, struct pg_group *group, const struct statement *statement,
                          bool prepared)
{
        struct pg_arguments *a = &link->store->arguments;
        const char *values[ARGUMENTS_MAX];
        int lengths[ARGUMENTS_MAX], formats[ARGUMENTS_MAX];

        if (arguments_finish(a) != 0)
                return -ENOMEM;
        for (unsigned i = 0; i < a->count; i++) {
                struct bytes value = buffer_view(&a->columns[i].bytes);

                values[i] = value.size > 0 ? (const char *)value.data : "";
                lengths[i] = (int)value.size;
                formats[i] = 1;
        }
        const int count = (int)a->count;
        const int sent =
                prepared ? PQsendQueryPrepared(link->pg, statement->name, count, values, lengths, formats, 1)
                         : PQsendQueryParams(link->pg, statement->sql, count, NULL, values, lengths, formats, 1);
        if (sent != 1)
                return -EIO;
        group->expected++;
        if (statement->gives)
                group->gives = statement->gives;
        return 0;
}

int pg_link_send(struct pg_link *link, struct pg_group *group, const struct statement *statement)
{
        return send_arguments(link, group, statement, true);
}

int pg_link_send_once(struct pg_link *link, struct pg_group *group, const struct statement *statement)
{
        return send_arguments(link, group, statement, false);
}

int pg_link_send_bare(struct pg_link *link, struct pg_group *group, const char *sql)
{
        if (PQsendQueryParams(link->pg, sql, 0, NULL, NULL, NULL, NULL, 1) != 1)
                return -EIO;
        group->expected++;
        return 0;
}

/* ---- receiving ---- */

static void pg_link_collect(struct pg_link *link, PGresult *result)
{
        struct pg_group *group = link->flight;

        switch (PQresultStatus(result)) {
        case PGRES_PIPELINE_SYNC:
                PQclear(result);
                group_end(link);
                break;
        case PGRES_FATAL_ERROR:
                if (group->failure)
                        PQclear(result);
                else
                        group->failure = result;
                break;
        case PGRES_TUPLES_OK:
        case PGRES_COMMAND_OK:
                if (group->got < GROUP_STATEMENTS_MAX)
                        group->results[group->got++] = result;
                else
                        PQclear(result);
                break;
        default: PQclear(result); /* PGRES_PIPELINE_ABORTED: after a failure */
        }
}

/* Two NULLs in a row come only from a connection that has nothing more to say. */
static void pg_link_drain(struct pg_link *link)
{
        unsigned nulls = 0;

        while (link->pg && link->flight && nulls < 2 && !PQisBusy(link->pg)) {
                PGresult *result = PQgetResult(link->pg);

                nulls = result ? 0 : nulls + 1;
                if (result)
                        pg_link_collect(link, result);
        }
}

static void pg_link_hear(struct pg_link *link)
{
        PGnotify *note;

        while (link->pg && (note = PQnotifies(link->pg))) {
                scheduled_heard(link->store, note);
                PQfreemem(note);
        }
}

static void pg_link_watch(struct pg_link *link)
{
        if (link->state != PG_LINK_READY)
                return;
        if (link->flying > 0)
                uv_timer_start(&link->timer, pg_link_on_timer, link->store->answer_timeout_ms, 0);
        else
                uv_timer_stop(&link->timer);
}

/* What went wrong, as the server said it last. */
static void lose_with_reason(struct pg_link *link)
{
        char why[sizeof(((struct problem *)0)->text)];
        const char *said = PQerrorMessage(link->pg);

        if (link->flight && link->flight->failure)
                said = PQresultErrorMessage(link->flight->failure);
        snprintf(why, sizeof(why), "%.*s", (int)strcspn(said, "\n"), *said ? said : "the server closed the connection");
        pg_link_lose(link, why, false);
}

static void pg_link_on_socket(uv_poll_t *poll, int status, int events)
{
        struct pg_link *link = poll->data;
        unsigned before = link->flying;

        if (status < 0 || ((events & UV_READABLE) && !PQconsumeInput(link->pg))) {
                pg_link_drain(link); /* what came before the end still counts */
                if (link->pg)
                        lose_with_reason(link);
                return;
        }
        pg_link_drain(link);
        pg_link_hear(link);
        if (!link->pg)
                return;
        if (PQstatus(link->pg) == CONNECTION_BAD) {
                lose_with_reason(link);
                return;
        }
        if (link->flying != before)
                pg_link_watch(link);
        pg_link_serve(link);
}

void pg_link_flush(struct pg_link *link)
{
        int events, rest;

        if (link->state != PG_LINK_READY)
                return;
        rest = PQflush(link->pg);
        if (rest < 0) {
                lose_with_reason(link);
                return;
        }
        if (link->flying > 0 && !uv_is_active((uv_handle_t *)&link->timer))
                pg_link_watch(link);
        events = UV_READABLE | (rest > 0 ? UV_WRITABLE : 0);
        if (events != link->events) {
                link->events = events;
                uv_poll_start(link->poll, events, pg_link_on_socket);
        }
}

/* ---- coming and going ---- */

static void poll_closed(uv_handle_t *handle)
{
        struct pg_link *link = handle->data;

        free(handle);
        store_drop(link->store);
}

int pg_link_adopt(struct pg_link *link, PGconn *pg)
{
        uv_poll_t *poll = calloc(1, sizeof(*poll));

        if (!poll || uv_poll_init(link->store->config.loop, poll, PQsocket(pg)) != 0) {
                free(poll);
                PQfinish(pg);
                return -ENOMEM;
        }
        poll->data = link;
        store_hold(link->store);
        link->poll = poll;
        link->pg = pg;
        link->events = 0;
        link->state = PG_LINK_READY;
        link->lost = false;
        pg_link_serve(link);
        store_changed(link->store, NULL);
        return 0;
}

static void hang_up(struct pg_link *link)
{
        if (!link->pg)
                return;
        uv_poll_stop(link->poll);
        uv_close((uv_handle_t *)link->poll, poll_closed);
        PQfinish(link->pg);
        link->pg = NULL;
        link->poll = NULL;
        link->in_transaction = false;
}

void pg_link_lose(struct pg_link *link, const char *why, bool silent)
{
        char text[sizeof(((struct problem *)0)->text)];

        if (!*why)
                why = "the connection broke";
        snprintf(text, sizeof(text), "%.*s", (int)strcspn(why, "\n"), why); /* may be libpq's, which goes away */
        hang_up(link);
        groups_return(link, silent, text);
        pause_then_open(link);
        store_changed(link->store, text);
}

static void pg_link_on_timer(uv_timer_t *timer)
{
        struct pg_link *link = timer->data;

        if (link->state == PG_LINK_WAITING)
                pg_link_want(link);
        else if (link->state == PG_LINK_READY)
                pg_link_lose(link, "PostgreSQL left a transaction unanswered for too long", true);
}

static void timer_closed(uv_handle_t *handle)
{
        struct pg_link *link = handle->data;

        store_drop(link->store);
}

void pg_link_close(struct pg_link *link)
{
        hang_up(link);
        link->state = PG_LINK_CLOSED;
        if (link->opening) {
                (void)!write(link->opening->patience.cancel_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
                work_abandon(link->opening->work, GIVE_UP_MS); /* it may be looking up a name, which nothing ends */
                link->opening = NULL;
        }
        uv_close((uv_handle_t *)&link->timer, timer_closed);
        groups_close(link);
}
