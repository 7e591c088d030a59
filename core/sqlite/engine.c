/* SPDX-License-Identifier: Apache-2.0 */
/* The file's thread: takes what is handed over, does it in groups, waits while the file is in trouble, looks after the log. */
#include "core/sqlite/engine.h"

#include "core/backoff.h"
#include "core/clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        RETRY_BASE_MS = 20,
        RETRY_CAP_MS = 2000,
        LOCKED_MS = 2000, /* locked for less than this is nothing to speak of */
        LOG_PAGES_IDLE =
                1000, /* carry the log over into the file from this length on when there is nothing else to do … */
        LOG_PAGES_BUSY = 4000, /* … and from this on even when there is … */
        LOG_PATIENCE_MS = 50,
        LOG_PAGES_LONG = 40000, /* … and from this on make the others' readers wait, so that it starts anew */
};

void sqlite_wake(struct sqlite_file *file)
{
        if (!atomic_exchange(&file->woken, true))
                mailbox_put(file->answers, &file->wake);
}

void sqlite_end(struct sqlite_work *work, enum sqlite_end end)
{
        struct sqlite_file *file = work->file;
        work->end = end;
        work->mail.next = NULL;
        if (file->done_last)
                file->done_last->mail.next = &work->mail;
        else
                file->done_first = work;
        file->done_last = work;
}

void sqlite_append(struct sqlite_engine *e, struct sqlite_work *work)
{
        if (e->last)
                e->last->mail.next = &work->mail;
        else
                e->first = work;
        e->last = work;
}

static void send_answers(struct sqlite_file *file)
{
        if (file->done_first)
                mailbox_put_list(file->answers, &file->done_first->mail, &file->done_last->mail);
        file->done_first = file->done_last = NULL;
}

/* ---- trouble ---- */

static void sqlite_engine_tell(struct sqlite_engine *e, bool down, const char *why)
{
        pthread_mutex_lock(&e->lock);
        const bool changed = e->down != down;
        e->down = down;
        snprintf(e->down_why, sizeof(e->down_why), "%s", why);
        pthread_mutex_unlock(&e->lock);
        for (struct sqlite_file *f = e->files; changed && f; f = f->next) {
                atomic_store(&f->turned, true);
                sqlite_wake(f);
        }
}

uint64_t sqlite_random(struct sqlite_engine *e)
{
        e->random = e->random * UINT64_C(6364136223846793005) + 1442695040888963407;
        return e->random >> 1;
}

static void sqlite_engine_failed(struct sqlite_engine *e, int code, const char *why, uint64_t now)
{
        char text[SQLITE_WHY_SIZE];
        if (e->failures == 0)
                e->failing_since_ms = now;
        e->retry_at_ms = now + 5 + backoff_ms(RETRY_BASE_MS, RETRY_CAP_MS, e->failures++, sqlite_random(e));
        if (!why && (code & 0xff) == SQLITE_BUSY && now - e->failing_since_ms < LOCKED_MS)
                return;
        if (!why)
                sqlite_describe(e, code, text);
        sqlite_engine_tell(e, true, why ? why : text);
}

/* The file takes transactions. Does it take what waits? */
static void engine_works(struct sqlite_engine *e)
{
        const char *stuck = sqlite_stuck(e);
        e->failures = 0;
        if (stuck)
                sqlite_engine_tell(e, true, stuck);
        else if (e->down)
                sqlite_engine_tell(e, false, "");
}

static void do_group(struct sqlite_engine *e)
{
        char gone[SQLITE_WHY_SIZE];
        if (!sqlite_watch_is_there(e)) {
                snprintf(gone, sizeof(gone),
                         "%.120s was deleted or replaced: put it back, or stop what uses it and start again", e->path);
                sqlite_engine_failed(e, SQLITE_CANTOPEN, gone, clock_mono_ms());
                return;
        }
        const int code = sqlite_group(e);
        if (code) {
                sqlite_engine_failed(e, code, NULL, clock_mono_ms());
                return;
        }
        engine_works(e);
        for (struct sqlite_file *f = e->files; f; f = f->next)
                send_answers(f);
}

/* ---- what is asked of the thread itself ---- */

static void sqlite_engine_reply(struct sqlite_engine *e, struct sqlite_control *c, int result)
{
        pthread_mutex_lock(&e->lock);
        c->result = result;
        c->answered = true;
        pthread_cond_broadcast(&e->answered);
        pthread_mutex_unlock(&e->lock);
}

static void engine_attach(struct sqlite_engine *e, struct sqlite_control *c)
{
        const int result = sqlite_open(e, &c->file->config, c->why);
        if (!result) {
                c->file->next = e->files;
                e->files = c->file;
                c->file->up = !e->down; /* its loop waits for the reply */
        }
        sqlite_engine_reply(e, c, result);
}

/* What of its work is still waiting here the file could not take. */
static void engine_detach(struct sqlite_engine *e, struct sqlite_control *c)
{
        struct sqlite_work *w = e->first;
        e->first = e->last = NULL;
        while (w) {
                struct sqlite_work *next = (struct sqlite_work *)w->mail.next;
                if (w->verb && w->file == c->file) {
                        sqlite_end(w, SQLITE_END_CLOSED);
                } else {
                        w->mail.next = NULL;
                        sqlite_append(e, w);
                }
                w = next;
        }
        sqlite_parked_close(e, c->file);
        send_answers(c->file);
        struct sqlite_file **at = &e->files;
        while (*at && *at != c->file)
                at = &(*at)->next;
        if (*at)
                *at = c->file->next;
        if (e->failures == 0)
                engine_works(e); /* without what waited for this handle */
        sqlite_engine_reply(e, c, 0);
}

static void sqlite_engine_obey(struct sqlite_engine *e, struct sqlite_control *c)
{
        switch (c->ask) {
        case SQLITE_ASK_ATTACH: engine_attach(e, c); break;
        case SQLITE_ASK_DETACH: engine_detach(e, c); break;
        case SQLITE_ASK_STOP: e->stop = true; break;
        }
}

static struct sqlite_control *take_control(struct sqlite_engine *e)
{
        struct sqlite_control *c = (struct sqlite_control *)e->first;
        e->first = (struct sqlite_work *)c->work.mail.next;
        if (!e->first)
                e->last = NULL;
        return c;
}

/* While the file is in trouble nobody's coming or going waits for it. False when nobody comes or goes. */
static bool obey_out_of_turn(struct sqlite_engine *e)
{
        struct sqlite_work **at = &e->first, *before = NULL;
        while (*at && (*at)->verb) {
                before = *at;
                at = (struct sqlite_work **)&(*at)->mail.next;
        }
        struct sqlite_control *c = (struct sqlite_control *)*at;
        if (!c)
                return false;
        *at = (struct sqlite_work *)c->work.mail.next;
        if (!*at)
                e->last = before;
        sqlite_engine_obey(e, c);
        return true;
}

static void sqlite_engine_collect(struct sqlite_engine *e)
{
        struct sqlite_work *more = (struct sqlite_work *)mailbox_take(e->inbox);
        if (!more)
                return;
        if (e->last)
                e->last->mail.next = &more->mail;
        else
                e->first = more;
        while (more->mail.next)
                more = (struct sqlite_work *)more->mail.next;
        e->last = more;
}

/* ---- the write-ahead log ---- */

/* Readers and other writers go on meanwhile, except for a log that is far too long. */
static void sqlite_engine_checkpoint(struct sqlite_engine *e)
{
        const int limit = e->first ? LOG_PAGES_BUSY : LOG_PAGES_IDLE;
        if (e->log_pages < limit || e->log_pages - e->log_tried < LOG_PAGES_IDLE)
                return;
        const uint64_t usual = e->patience_ms;
        int pages = 0, moved = 0;
        e->patience_ms = LOG_PATIENCE_MS;
        sqlite3_wal_checkpoint_v2(e->db, NULL,
                                  e->log_pages < LOG_PAGES_LONG ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_RESTART,
                                  &pages, &moved);
        e->patience_ms = usual;
        e->log_tried = e->log_pages;
        if (pages == moved)
                e->log_pages = e->log_tried = 0; /* the next writer starts it anew */
}

/* ---- the thread ---- */

static void touch_all(struct sqlite_engine *e)
{
        for (struct sqlite_file *f = e->files; f; f = f->next) {
                atomic_store(&f->touched, true);
                sqlite_wake(f);
        }
}

static int time_to_wait(const struct sqlite_engine *e, uint64_t now)
{
        if (!e->db)
                return -1;
        const int watch = sqlite_parked_wait(e, now, sqlite_watch_wait(e, now));
        if (!e->first)
                return watch;
        const int retry = e->retry_at_ms > now ? (int)(e->retry_at_ms - now) : 0;
        return retry < watch ? retry : watch;
}

static void wait_and_look(struct sqlite_engine *e)
{
        struct pollfd fds[2] = { { .fd = mailbox_fd(e->inbox), .events = POLLIN },
                                 { .fd = e->db ? e->watch.inotify : -1, .events = POLLIN } };
        poll(fds, 2, time_to_wait(e, clock_mono_ms()));
        sqlite_engine_collect(e);
        if (e->db && sqlite_watch_look(e, fds[1].revents != 0, clock_mono_ms()))
                touch_all(e);
}

void *sqlite_engine_run(void *engine)
{
        struct sqlite_engine *e = engine;
        sqlite_statements_use(e);
        while (!e->stop) {
                wait_and_look(e);
                while (e->first && !e->first->verb && !e->stop)
                        sqlite_engine_obey(e, take_control(e));
                sqlite_unpark(e, clock_mono_ms());
                if (e->first && e->first->verb && clock_mono_ms() >= e->retry_at_ms)
                        do_group(e);
                while (e->failures && obey_out_of_turn(e)) {
                }
                if (e->db)
                        sqlite_engine_checkpoint(e);
        }
        sqlite_shut(e);
        return NULL;
}
