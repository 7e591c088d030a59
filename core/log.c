/* SPDX-License-Identifier: Apache-2.0 */
#include "core/log.h"

#include "core/clock.h"
#include "core/log/fold.h"
#include "core/text/utf8.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_SIZE = 2048, LEAST_SECRET = 4 };

struct secret {
        struct secret *next;
        size_t size;
        char text[];
};

/* Form and sink are set once by main, before threads start. Secrets come at any time, on any thread (a key that was read again), and so do levels. */
static pthread_rwlock_t secrets_lock = PTHREAD_RWLOCK_INITIALIZER;
static struct {
        atomic_int least;
        enum log_level configured; /* what log_setup was given */
        bool json;
        log_sink *sink; /* or NULL: nobody wants to know */
        void *sink_arg;
        struct secret *secrets; /* the longest first: another may be a part of it */
        pthread_mutex_t lock;   /* of what follows */
        struct log_fold fold;
        log_who *who; /* or NULL */
        void *who_arg;
        pthread_t who_thread;
        atomic_bool tapped;
        pthread_mutex_t tap_lock; /* while it is told */
        log_tap *tap;
        void *tap_arg;
} log_state = { .least = LOG_INFO,
                .configured = LOG_INFO,
                .lock = PTHREAD_MUTEX_INITIALIZER,
                .tap_lock = PTHREAD_MUTEX_INITIALIZER };

static const char *const level_names[] = { "debug", "info", "warn", "error" };

static void hide_secrets(char *text, bool was_cut);
static void log_write(enum log_level level, const char *where, const char *format, va_list args);
static void log_to_stderr(const char *line, size_t size, void *arg);

void log_setup(enum log_level least, bool json)
{
        log_state.configured = least;
        atomic_store(&log_state.least, (int)least);
        log_state.json = json;
        if (!log_state.sink)
                log_state.sink = log_to_stderr;
}

void log_to(log_sink *sink, void *arg)
{
        log_state.sink = sink;
        log_state.sink_arg = arg;
}

/* ---- levels ---- */

enum log_level log_set_level(enum log_level least)
{
        atomic_store(&log_state.least, (int)least);
        return least;
}

enum log_level log_reset_level(void)
{
        return log_set_level(log_state.configured);
}

const char *log_level_name(enum log_level level)
{
        return level_names[level];
}

bool log_level_read(const char *name, enum log_level *out)
{
        for (unsigned i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
                if (strcmp(name, level_names[i]) == 0) {
                        *out = (enum log_level)i;
                        return true;
                }
        }
        return false;
}

bool log_enabled(enum log_level level)
{
        return log_state.sink && (int)level >= atomic_load_explicit(&log_state.least, memory_order_relaxed);
}

/* ---- secrets ---- */

void log_hide(const char *secret)
{
        const size_t size = secret ? strlen(secret) : 0;
        if (size < LEAST_SECRET)
                return;
        struct secret *kept = malloc(sizeof(*kept) + size + 1);
        if (!kept)
                abort(); /* better no worker than one that tells */
        kept->size = size;
        memcpy(kept->text, secret, size + 1);
        pthread_rwlock_wrlock(&secrets_lock);
        struct secret **at = &log_state.secrets;
        while (*at && (*at)->size > size)
                at = &(*at)->next;
        kept->next = *at;
        *at = kept;
        pthread_rwlock_unlock(&secrets_lock);
}

void log_redact(char *text)
{
        pthread_rwlock_rdlock(&secrets_lock);
        hide_secrets(text, false);
        pthread_rwlock_unlock(&secrets_lock);
}

/* A secret that the line's end cuts must go, too: drop the end that is the beginning of one. */
static void drop_cut_secret(char *text, const struct secret *secret)
{
        const size_t size = strlen(text);
        for (size_t part = secret->size - 1; part > 0; part--) {
                if (part <= size && memcmp(text + size - part, secret->text, part) == 0) {
                        text[size - part] = '\0';
                        return;
                }
        }
}

static void hide_secrets(char *text, bool was_cut)
{
        for (const struct secret *secret = log_state.secrets; secret; secret = secret->next) {
                for (char *at = text; (at = strstr(at, secret->text)); at += 3) {
                        memcpy(at, "***", 3);
                        memmove(at + 3, at + secret->size, strlen(at + secret->size) + 1);
                }
        }
        for (const struct secret *secret = log_state.secrets; was_cut && secret; secret = secret->next)
                drop_cut_secret(text, secret);
}

/* ---- floods ---- */

void log_fold(unsigned burst, unsigned window_ms)
{
        pthread_mutex_lock(&log_state.lock);
        log_state.fold.burst = burst;
        log_state.fold.window_ms = window_ms;
        pthread_mutex_unlock(&log_state.lock);
}

__attribute__((format(printf, 3, 4))) static void log_say(enum log_level level, const char *where, const char *format,
                                                          ...)
{
        va_list args;
        va_start(args, format);
        log_write(level, where, format, args);
        va_end(args);
}

/* The next that is to be told. */
static bool log_fold_next(bool all, struct log_fold_kind *out, uint64_t now_ms)
{
        pthread_mutex_lock(&log_state.lock);
        const bool found = log_fold_over(&log_state.fold, now_ms, all, out);
        pthread_mutex_unlock(&log_state.lock);
        return found;
}

void log_tick(bool all)
{
        const uint64_t now_ms = clock_mono_ms();
        struct log_fold_kind kind;
        while (log_fold_next(all, &kind, now_ms))
                log_say((enum log_level)kind.level, kind.where, "folded=%u more lines within %.1f s were like this: %s",
                        kind.held, (double)(now_ms - kind.since_ms) / 1000, kind.format);
}

static bool log_passes(enum log_level level, const char *where, const char *format)
{
        if (level == LOG_DEBUG)
                return true;
        log_tick(false);
        pthread_mutex_lock(&log_state.lock);
        const bool passes = log_fold_takes(&log_state.fold, format, where, (int)level, clock_mono_ms());
        pthread_mutex_unlock(&log_state.lock);
        return passes;
}

/* ---- lines ---- */

void log_know(log_who *who, void *arg)
{
        pthread_mutex_lock(&log_state.lock);
        log_state.who = who;
        log_state.who_arg = arg;
        log_state.who_thread = pthread_self();
        pthread_mutex_unlock(&log_state.lock);
}

static void log_ask_who(const struct log_fields *fields, struct log_ids *ids)
{
        if (fields->count == 0 || strcmp(fields->all[0].name, "task") != 0)
                return;
        pthread_mutex_lock(&log_state.lock);
        log_who *who = log_state.who && pthread_equal(log_state.who_thread, pthread_self()) ? log_state.who : NULL;
        void *arg = log_state.who_arg;
        pthread_mutex_unlock(&log_state.lock);
        if (who)
                who(fields->all[0].value, ids, arg);
}

void log_tap_by(log_tap *tap, void *arg)
{
        pthread_mutex_lock(&log_state.tap_lock);
        log_state.tap = tap;
        log_state.tap_arg = arg;
        atomic_store(&log_state.tapped, tap != NULL);
        pthread_mutex_unlock(&log_state.tap_lock);
}

static void log_tell_tap(enum log_level level, const struct log_parts *parts)
{
        pthread_mutex_lock(&log_state.tap_lock);
        if (log_state.tap)
                log_state.tap(level, parts, log_state.tap_arg);
        pthread_mutex_unlock(&log_state.tap_lock);
}

/* No secrets, and all of it UTF-8. */
static void log_clean(struct log_fields *fields, struct log_ids *ids, char *text, bool was_cut)
{
        pthread_rwlock_rdlock(&secrets_lock);
        hide_secrets(text, was_cut);
        for (size_t i = 0; i < fields->count; i++)
                hide_secrets(fields->all[i].value, fields->all[i].was_cut);
        hide_secrets(ids->job, false);
        pthread_rwlock_unlock(&secrets_lock);
        utf8_repair(text, was_cut);
        utf8_repair(ids->job, true);
        for (size_t i = 0; i < fields->count; i++)
                utf8_repair(fields->all[i].value, fields->all[i].was_cut);
}

static void log_write_line(const struct log_parts *parts)
{
        char line[LOG_LINE_SIZE];
        const size_t used = log_line_write(parts, log_state.json, line);
        log_state.sink(line, used, log_state.sink_arg);
}

/* For people fields are part of the message. */
static void log_write_text(const struct log_parts *like, const char *format, va_list args)
{
        char text[TEXT_SIZE] = "";
        struct log_parts parts = *like;
        struct log_fields none = { .count = 0 };
        struct log_ids nobody = { .job = "" };
        parts.was_cut = vsnprintf(text, sizeof(text), format, args) >= (int)sizeof(text);
        log_clean(&none, &nobody, text, parts.was_cut);
        parts.text = text;
        log_write_line(&parts);
}

/* Fields are told apart in JSON, and for the tap. */
static void log_write_parts(enum log_level level, const struct log_parts *like, bool tapped, const char *format,
                            va_list args)
{
        char text[TEXT_SIZE] = "";
        struct log_parts parts = *like;
        struct log_fields fields;
        struct log_ids ids = { .job = "" };
        fields.count = 0;
        const size_t before = log_fields_read(&fields, format, args);
        parts.was_cut = vsnprintf(text, sizeof(text), format, args) >= (int)sizeof(text);
        char *message = text + (before < strlen(text) ? before : strlen(text));
        log_ask_who(&fields, &ids);
        log_clean(&fields, &ids, message, parts.was_cut);
        parts.fields = &fields;
        parts.ids = &ids;
        parts.text = message;
        if (log_state.json)
                log_write_line(&parts);
        if (tapped)
                log_tell_tap(level, &parts);
}

static void log_write(enum log_level level, const char *where, const char *format, va_list args)
{
        char when[CLOCK_TEXT_SIZE];
        const bool tapped = atomic_load(&log_state.tapped);
        clock_format(clock_wall_ms(), when);
        const struct log_parts parts = { .when = when, .level = level_names[level], .where = where };
        if (!log_state.json) {
                va_list copy;
                va_copy(copy, args);
                log_write_text(&parts, format, copy);
                va_end(copy);
        }
        if (log_state.json || tapped)
                log_write_parts(level, &parts, tapped, format, args);
}

void log_line(enum log_level level, const char *where, const char *format, ...)
{
        if (!log_enabled(level))
                return;
        const int error = errno;
        if (log_passes(level, where, format)) {
                va_list args;
                va_start(args, format);
                log_write(level, where, format, args);
                va_end(args);
        }
        errno = error;
}

static void log_to_stderr(const char *line, size_t size, void *arg)
{
        ssize_t done;
        (void)arg;
        do
                done = write(STDERR_FILENO, line, size);
        while (done < 0 && errno == EINTR); /* other errors: a log that can't be written has nowhere to say so */
}
