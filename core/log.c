/* SPDX-License-Identifier: Apache-2.0 */
#include "core/log.h"

#include "core/clock.h"
#include "core/text/utf8.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A pipe takes up to 4096 bytes (PIPE_BUF) as one piece. */
enum { TEXT_SIZE = 2048, LINE_SIZE = 4096, TAIL_SIZE = 8, LEAST_SECRET = 4 };

struct secret {
        struct secret *next;
        size_t size;
        char text[];
};

/* Level and form are written once by main, before threads start. Secrets come at any time, on any thread (a key that was read again). */
static pthread_rwlock_t secrets_lock = PTHREAD_RWLOCK_INITIALIZER;
static struct {
        enum log_level least;
        bool json;
        log_sink *sink; /* or NULL: nobody wants to know */
        void *sink_arg;
        struct secret *secrets; /* the longest first: another may be a part of it */
} log_state = { .least = LOG_INFO };

static const char *const level_names[] = { "debug", "info", "warn", "error" };

static void hide_secrets(char *text, bool was_cut);
static void write_line(enum log_level level, const char *where, const char *text, bool was_cut);
static void log_to_stderr(const char *line, size_t size, void *arg);

void log_setup(enum log_level least, bool json)
{
        log_state.least = least;
        log_state.json = json;
        if (!log_state.sink)
                log_state.sink = log_to_stderr;
}

void log_to(log_sink *sink, void *arg)
{
        log_state.sink = sink;
        log_state.sink_arg = arg;
}

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

bool log_enabled(enum log_level level)
{
        return log_state.sink && level >= log_state.least;
}

void log_line(enum log_level level, const char *where, const char *format, ...)
{
        if (!log_enabled(level))
                return;
        const int error = errno;
        char text[TEXT_SIZE] = "";
        va_list args;
        va_start(args, format);
        const int size = vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        const bool was_cut = size >= (int)sizeof(text);
        pthread_rwlock_rdlock(&secrets_lock);
        hide_secrets(text, was_cut);
        pthread_rwlock_unlock(&secrets_lock);
        utf8_repair(text, was_cut);
        write_line(level, where, text, was_cut);
        errno = error;
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

/* The character at `text` when it is one that steers a terminal or ends a line (C0, DEL, C1, U+2028, U+2029),
 * else 0. */
static unsigned control_of(const char *text)
{
        const unsigned char *at = (const unsigned char *)text;
        if (at[0] < ' ' || at[0] == 0x7F)
                return at[0];
        if (at[0] == 0xC2 && at[1] < 0xA0)
                return at[1];
        if (at[0] == 0xE2 && at[1] == 0x80 && (at[2] == 0xA8 || at[2] == 0xA9))
                return 0x2000U | (at[2] & 0x7FU);
        return 0;
}

/* One character as the line shows it: a value from outside must not forge a second line. Returns its bytes. */
static size_t log_show(const char *text, size_t size, char out[8])
{
        const unsigned control = control_of(text);
        if (control && log_state.json)
                return (size_t)snprintf(out, 8, "\\u%04x", control);
        if (control) {
                out[0] = ' ';
                return 1;
        }
        size_t used = 0;
        if (log_state.json && (*text == '"' || *text == '\\'))
                out[used++] = '\\';
        memcpy(out + used, text, size);
        return used + size;
}

static void write_line(enum log_level level, const char *where, const char *text, bool was_cut)
{
        char line[LINE_SIZE], when[CLOCK_TEXT_SIZE], shown[8];
        clock_format(clock_wall_ms(), when);
        size_t used =
                (size_t)snprintf(line, sizeof(line) / 2,
                                 log_state.json ? "{\"time\":\"%s\",\"level\":\"%s\",\"where\":\"%.40s\",\"message\":\""
                                                : "%s %-5s %-6.40s ",
                                 when, level_names[level], where);
        for (size_t size; *text; text += size) {
                utf8_next(text, &size);
                const size_t more = log_show(text, size, shown);
                if (used + more + TAIL_SIZE > sizeof(line)) {
                        was_cut = true;
                        break;
                }
                memcpy(line + used, shown, more);
                used += more;
        }
        used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%s\n", was_cut ? "…" : "",
                                 log_state.json ? "\"}" : "");
        log_state.sink(line, used, log_state.sink_arg);
}

static void log_to_stderr(const char *line, size_t size, void *arg)
{
        ssize_t done;
        (void)arg;
        do
                done = write(STDERR_FILENO, line, size);
        while (done < 0 && errno == EINTR); /* other errors: a log that can't be written has nowhere to say so */
}
