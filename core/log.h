/* SPDX-License-Identifier: Apache-2.0 */
/* One line a fact, to a sink, which is stderr in programs and nothing in libraries: time, level, where, what, then key=value pairs the message spells
 * out itself. Every line is one write of up to 4096 bytes, so lines of several threads never mix. Any thread. */
#ifndef CHARD_CORE_LOG_H
#define CHARD_CORE_LOG_H

#include "core/log/line.h"

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

/* Hears of each line that is written, as its parts: borrowed, without secrets, the message without its fields. Any thread, one at a time; must not log. */
typedef void log_tap(enum log_level level, const struct log_parts *parts, void *arg);

/* Who hears of lines besides, for another place; NULL: nobody, and nobody is being told any more. */
void log_tap_by(log_tap *tap, void *arg);

/* Another least level from now on. / The one that log_setup was given, again. Both return what it is. Any thread. */
enum log_level log_set_level(enum log_level least);
enum log_level log_reset_level(void);

/* "debug", …; constant. / The level of that name; false when there is none. */
const char *log_level_name(enum log_level level);
bool log_level_read(const char *name, enum log_level *out);

/* From now on at most `burst` lines of one format are written in a window; those of LOG_DEBUG all are. What was held back is counted and told when the
 * window is over, in log_tick or with the next line. 0 = all are written. Any thread. */
void log_fold(unsigned burst, unsigned window_ms);

/* Tell what was held back: of windows that are over, or of all. Call it now and then. Any thread. */
void log_tick(bool all);

/* Fills in what else is known of a task; must not log. */
typedef void log_who(const char *task, struct log_ids *out, void *arg);

/* Who is asked, for JSON lines that begin with task=%s and are written by the calling thread; NULL: nobody. */
void log_know(log_who *who, void *arg);

/* Never to be written: wherever `secret` turns up in a line it is replaced by ***. Copies it; one shorter than
 * four characters (or NULL) is ignored. Any thread; what others write at the same moment may still show it. */
void log_hide(const char *secret);

/* Do the same to a text that goes elsewhere than into the log; it gets no longer. Any thread. */
void log_redact(char *text);

bool log_enabled(enum log_level level);

/* `where` is the part that speaks, a constant: "broker", "store", "ai", "worker". KEY=%s at the front of the format (KEY=%u, …) are fields of a JSON line.
 * What is not UTF-8 becomes '?', line ends and other control characters a space (JSON: an escape); a long line is cut and ends in "…".
 * errno stays as it was. */
void log_line(enum log_level level, const char *where, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(where, ...) (log_enabled(LOG_DEBUG) ? log_line(LOG_DEBUG, where, __VA_ARGS__) : (void)0)
#define log_info(where, ...)  log_line(LOG_INFO, where, __VA_ARGS__)
#define log_warn(where, ...)  log_line(LOG_WARN, where, __VA_ARGS__)
#define log_error(where, ...) log_line(LOG_ERROR, where, __VA_ARGS__)

#endif
