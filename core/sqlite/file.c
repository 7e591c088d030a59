/* SPDX-License-Identifier: Apache-2.0 */
/* The loop's side of a file, and the process's list of files. */
#include "core/sqlite/sqlite.h"

#include "core/clock.h"
#include "core/sqlite/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 500 };

/* ---- one engine a file: SQLite's own locks are by process, too ---- */

static struct {
        pthread_mutex_t lock;
        struct sqlite_engine *first;
} registry = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void engine_free(struct sqlite_engine *e)
{
        mailbox_free(e->inbox);
        pthread_mutex_destroy(&e->lock);
        pthread_cond_destroy(&e->answered);
        free(e->path);
        free(e);
}

static struct sqlite_engine *engine_new(const char *path, const struct stat *st)
{
        struct sqlite_engine *e = calloc(1, sizeof(*e));
        if (!e)
                return NULL;
        pthread_mutex_init(&e->lock, NULL);
        pthread_cond_init(&e->answered, NULL);
        e->device = st->st_dev;
        e->inode = st->st_ino;
        e->patience_ms = PATIENCE_MS;
        e->random = clock_mono_us() ^ ((uint64_t)getpid() << 32);
        e->watch.inotify = -1;
        e->path = realpath(path, NULL); /* the folder may change under a relative one */
        if (!e->path || mailbox_new(&e->inbox)) {
                engine_free(e);
                return NULL;
        }
        return e;
}

static struct sqlite_engine *engine_start(const char *path, const struct stat *st)
{
        struct sqlite_engine *e = engine_new(path, st);
        if (!e)
                return NULL;
        if (pthread_create(&e->thread, NULL, sqlite_engine_run, e)) {
                engine_free(e);
                return NULL;
        }
        e->next_engine = registry.first;
        registry.first = e;
        return e;
}

/* The engine of the file that stands there, one more user. */
static struct sqlite_engine *engine_take(const char *path, const struct stat *st)
{
        pthread_mutex_lock(&registry.lock);
        struct sqlite_engine *e = registry.first;
        while (e && (e->device != st->st_dev || e->inode != st->st_ino))
                e = e->next_engine;
        if (!e)
                e = engine_start(path, st);
        if (e)
                e->users++;
        pthread_mutex_unlock(&registry.lock);
        return e;
}

static void engine_leave(struct sqlite_engine *e)
{
        struct sqlite_control stop = { .ask = SQLITE_ASK_STOP };
        pthread_mutex_lock(&registry.lock);
        const bool last = --e->users == 0;
        if (last) {
                struct sqlite_engine **at = &registry.first;
                while (*at != e)
                        at = &(*at)->next_engine;
                *at = e->next_engine;
        }
        pthread_mutex_unlock(&registry.lock);
        if (!last)
                return;
        mailbox_put(e->inbox, &stop.work.mail);
        pthread_join(e->thread, NULL);
        engine_free(e);
}

/* Ask the thread for something, after all that was handed over, and wait for it. */
static int sqlite_file_ask(struct sqlite_file *f, enum sqlite_ask what, struct problem *why)
{
        struct sqlite_engine *e = f->engine;
        struct sqlite_control c = { .ask = what, .file = f, .why = why };
        mailbox_put(e->inbox, &c.work.mail);
        pthread_mutex_lock(&e->lock);
        while (!c.answered)
                pthread_cond_wait(&e->answered, &e->lock);
        pthread_mutex_unlock(&e->lock);
        return c.result;
}

/* ---- answers ---- */

static void hear_state(struct sqlite_file *f)
{
        char why[SQLITE_WHY_SIZE];
        pthread_mutex_lock(&f->engine->lock);
        const bool up = !f->engine->down;
        memcpy(why, f->engine->down_why, sizeof(why));
        pthread_mutex_unlock(&f->engine->lock);
        if (up == f->up)
                return;
        f->up = up;
        if (!up && f->config.counts)
                f->config.counts->losses++;
        if (f->config.changed)
                f->config.changed(up, why, f->config.arg);
}

static void look_around(struct sqlite_file *f)
{
        atomic_store(&f->woken, false);
        if (!f->closed && atomic_exchange(&f->turned, false))
                hear_state(f);
        if (!f->closed && atomic_exchange(&f->touched, false) && f->config.touched)
                f->config.touched(f->config.arg);
}

static void count_work(struct sqlite_file *f, const struct sqlite_work *work)
{
        struct door_counts *counts = f->config.counts;
        if (!counts)
                return;
        if (work->took_us)
                door_counts_group(counts, work->took_us);
        door_counts_calls(counts, 1, work->end == SQLITE_END_REFUSED);
}

/* A callback may close the file: that works through `taken` itself. */
static void take_answers(struct sqlite_file *f)
{
        struct mail **end = &f->taken;
        while (*end)
                end = &(*end)->next;
        *end = mailbox_take(f->answers);
        while (f->taken) {
                struct mail *mail = f->taken;
                f->taken = mail->next;
                if (mail == &f->wake) {
                        look_around(f);
                } else {
                        struct sqlite_work *work = (struct sqlite_work *)mail;
                        count_work(f, work);
                        work->verb->done(work, work->end, &work->why);
                }
        }
}

static void on_answers(uv_poll_t *poll, int status, int events)
{
        (void)status;
        (void)events;
        take_answers(poll->data);
}

/* ---- handing over ---- */

static void sqlite_file_hand_over(struct sqlite_file *f)
{
        if (f->turn_first)
                mailbox_put_list(f->engine->inbox, &f->turn_first->mail, &f->turn_last->mail);
        f->turn_first = f->turn_last = NULL;
}

/* An idle handle, not a prepare one: while it waits for its turn the loop doesn't sleep, even if the work came from inside somebody's prepare. */
static void sqlite_file_on_turn(uv_idle_t *turn)
{
        uv_idle_stop(turn);
        sqlite_file_hand_over(turn->data);
}

void sqlite_do(struct sqlite_file *f, struct sqlite_work *work, const struct sqlite_verb *verb)
{
        work->mail.next = NULL;
        work->verb = verb;
        work->file = f;
        work->took_us = 0;
        work->setback = (struct sqlite_setback){ 0 };
        if (f->turn_last)
                f->turn_last->mail.next = &work->mail;
        else
                f->turn_first = work;
        f->turn_last = work;
        uv_idle_start(&f->turn, sqlite_file_on_turn);
}

bool sqlite_file_up(const struct sqlite_file *f)
{
        return f->up;
}

/* ---- opening and closing ---- */

/* The file itself must not be opened beside SQLite: closing it again would drop this process's locks on it. One that was not there until
 * now nobody has locked. */
static int sqlite_file_make_file(const char *path, struct problem *why)
{
        const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
                return problem_set(why, "sqlite", "unreachable", "%s can't be made: %s", path, strerror(errno));
        if (fd >= 0)
                close(fd);
        return 0;
}

static int look_at_path(const struct sqlite_config *config, struct stat *st, struct problem *why)
{
        const char *path = config->path;
        if (!path || !*path)
                return problem_set(why, "sqlite", "bad_path", "no file is named");
        if (stat(path, st) && errno == ENOENT && !config->migrate)
                return problem_set(why, "sqlite", "schema_missing",
                                   "there is no file %s: `chard migrate` or `chard dev` makes it", path);
        if (stat(path, st) && errno == ENOENT && sqlite_file_make_file(path, why))
                return 1;
        if (stat(path, st))
                return problem_set(why, "sqlite", "unreachable", "%s can't be opened: %s", path, strerror(errno));
        if (!S_ISREG(st->st_mode))
                return problem_set(why, "sqlite", "bad_path", "%s is no file", path);
        return 0;
}

static struct sqlite_file *handle_new(const struct sqlite_config *config)
{
        struct sqlite_file *f = calloc(1, sizeof(*f));
        if (!f)
                return NULL;
        f->config = *config;
        if (mailbox_new(&f->answers)) {
                free(f);
                return NULL;
        }
        return f;
}

static void handle_free(struct sqlite_file *f)
{
        mailbox_free(f->answers);
        free(f);
}

static void sqlite_file_on_uv_closed(uv_handle_t *handle)
{
        struct sqlite_file *f = handle->data;
        if (--f->uv_handles == 0)
                handle_free(f);
}

/* Hang it into the loop. */
static int sqlite_file_watch(struct sqlite_file *f)
{
        uv_idle_init(f->config.loop, &f->turn);
        f->turn.data = f->poll.data = f;
        f->uv_handles = 1;
        int result = uv_poll_init(f->config.loop, &f->poll, mailbox_fd(f->answers));
        if (result == 0) {
                f->uv_handles = 2;
                result = uv_poll_start(&f->poll, UV_READABLE, on_answers);
        }
        return result;
}

static void file_unwatch(struct sqlite_file *f)
{
        const bool polled = f->uv_handles == 2;
        uv_close((uv_handle_t *)&f->turn, sqlite_file_on_uv_closed);
        if (polled)
                uv_close((uv_handle_t *)&f->poll, sqlite_file_on_uv_closed);
}

int sqlite_file_open(struct sqlite_file **out, const struct sqlite_config *config, struct problem *why)
{
        struct stat st = { 0 };
        if (look_at_path(config, &st, why))
                return 1;
        struct sqlite_file *f = handle_new(config);
        if (!f)
                return -ENOMEM;
        f->engine = engine_take(config->path, &st);
        if (!f->engine) {
                handle_free(f);
                return -ENOMEM;
        }
        int result = sqlite_file_ask(f, SQLITE_ASK_ATTACH, why);
        if (result) {
                engine_leave(f->engine);
                handle_free(f);
                return result;
        }
        result = sqlite_file_watch(f);
        if (result) {
                sqlite_file_close(f);
                return result;
        }
        *out = f;
        return 0;
}

void sqlite_file_close(struct sqlite_file *f)
{
        struct sqlite_engine *e = f->engine;
        f->closed = true;
        sqlite_file_hand_over(f);
        atomic_fetch_add(&e->leaving, 1);
        sqlite_file_ask(f, SQLITE_ASK_DETACH, NULL);
        atomic_fetch_sub(&e->leaving, 1);
        file_unwatch(f);
        take_answers(f);
        engine_leave(e);
}
