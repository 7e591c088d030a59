/* SPDX-License-Identifier: Apache-2.0 */
#include "core/log.h"

#include "core/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_SIZE = 2048, MOST_SECRETS = 8, SECRET_SIZE = 256, LEAST_SECRET = 4 };

/* Written once by main before threads start, read by all after. */
static struct {
        enum log_level least;
        bool json;
        char secrets[MOST_SECRETS][SECRET_SIZE];
        unsigned secret_count;
} log_state = { .least = LOG_INFO };

static const char *const level_names[] = { "debug", "info", "warn", "error" };

static void hide_secrets(char *text);
static size_t write_json_text(char *out, size_t size, const char *text);

void log_setup(enum log_level least, bool json)
{
        log_state.least = least;
        log_state.json = json;
}

void log_hide(const char *secret)
{
        if (!secret || strlen(secret) < LEAST_SECRET || strlen(secret) >= SECRET_SIZE ||
            log_state.secret_count == MOST_SECRETS)
                return;
        strcpy(log_state.secrets[log_state.secret_count++], secret);
}

bool log_enabled(enum log_level level)
{
        return level >= log_state.least;
}

void log_line(enum log_level level, const char *where, const char *format, ...)
{
        if (!log_enabled(level))
                return;
        char text[LINE_SIZE], line[2 * LINE_SIZE], when[CLOCK_TEXT_SIZE];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        hide_secrets(text);
        clock_format(clock_wall_ms(), when);

        int size;
        if (log_state.json) {
                char escaped[LINE_SIZE + LINE_SIZE / 2];
                write_json_text(escaped, sizeof(escaped), text);
                size = snprintf(line, sizeof(line),
                                "{\"time\":\"%s\",\"level\":\"%s\",\"where\":\"%s\",\"message\":\"%s\"}\n", when,
                                level_names[level], where, escaped);
        } else {
                for (char *at = text; *at; at++) /* a value from outside must not forge a second line */
                        if ((unsigned char)*at < ' ' || *at == 127)
                                *at = ' ';
                size = snprintf(line, sizeof(line), "%s %-5s %-6s %s\n", when, level_names[level], where, text);
        }
        if (size >= (int)sizeof(line))
                size = (int)sizeof(line) - 1;
        ssize_t ignored = write(STDERR_FILENO, line, (size_t)size);
        (void)ignored; /* a log that can't be written has nowhere to say so */
}

static void hide_secrets(char *text)
{
        for (unsigned i = 0; i < log_state.secret_count; i++) {
                const size_t size = strlen(log_state.secrets[i]);
                for (char *at = text; (at = strstr(at, log_state.secrets[i]));) {
                        memcpy(at, "***", 3);
                        memmove(at + 3, at + size, strlen(at + size) + 1);
                }
        }
}

static size_t write_json_text(char *out, size_t size, const char *text)
{
        size_t used = 0;
        for (; *text && used + 8 < size; text++) {
                const unsigned char c = (unsigned char)*text;
                if (c == '"' || c == '\\')
                        out[used++] = '\\';
                if (c < ' ')
                        used += (size_t)snprintf(out + used, size - used, "\\u%04x", c);
                else
                        out[used++] = (char)c;
        }
        out[used] = '\0';
        return used;
}
