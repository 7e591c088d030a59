/* SPDX-License-Identifier: Apache-2.0 */
/* One line a fact, to a sink, which is stderr in programs and nothing in libraries: time, level, where, what, then key=value pairs the message spells
 * out itself. Every line is one write of up to 4096 bytes, so lines of several threads never mix. Any thread. */
#ifndef CHARD_CORE_LOG_H
#define CHARD_CORE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Choose what is written and whether as JSON lines; to stderr, where no other sink was given. Until then nothing is: a library has no log.
 * Call before other threads start. */
void log_setup(enum log_level least, bool json);

/* Takes a whole line with its '\n'; borrowed. Any thread, also several at once. */
typedef void log_sink(const char *line, size_t size, void *arg);

/* Where lines go from now on; NULL: nowhere. Call before other threads start. */
void log_to(log_sink *sink, void *arg);

/* Never to be written: wherever `secret` turns up in a line it is replaced by ***. Copies it; one shorter than
 * four characters (or NULL) is ignored. Any thread; what others write at the same moment may still show it. */
void log_hide(const char *secret);

bool log_enabled(enum log_level level);

/* `where` is the part that speaks: "broker", "store", "ai", "worker". What is not UTF-8 becomes '?', line ends and
 * other control characters a space (JSON: an escape); a long line is cut and ends in "…". errno stays as it was. */
void log_line(enum log_level level, const char *where, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(where, ...) (log_enabled(LOG_DEBUG) ? log_line(LOG_DEBUG, where, __VA_ARGS__) : (void)0)
#define log_info(where, ...)  log_line(LOG_INFO, where, __VA_ARGS__)
#define log_warn(where, ...)  log_line(LOG_WARN, where, __VA_ARGS__)
#define log_error(where, ...) log_line(LOG_ERROR, where, __VA_ARGS__)

#endif
