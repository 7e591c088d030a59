/* SPDX-License-Identifier: Apache-2.0 */
/* Why something was refused or failed: what an error record, a log line and a user are told.
 * Filled by whoever finds the fault, carried up, printed once by whoever can act. */
#ifndef CHARD_CORE_PROBLEM_H
#define CHARD_CORE_PROBLEM_H

/* An exception that a task chose itself, as Python names it. All borrowed: it lives as long as the task. */
struct raised {
        const char *type, *module; /* "ValueError", "builtins" */
        const char *args;          /* JSON text of an array */
};

/* Codes come from providers and plug-ins, too, and are never cut: as long as a task's name may be. */
enum { PROBLEM_CODE_SIZE = 256 };

struct problem {
        char source[16]; /* where it was found: "message", "task", "provider", "store", "broker", "settings" */
        char code[PROBLEM_CODE_SIZE]; /* stable, for machines: "bad_body", "unknown_task", "rate_limit_exceeded" */
        char text[512];               /* for people: what is wrong and what to do; valid UTF-8, cut at a character */
        const struct raised *raised;  /* the task's own exception, or NULL: the code says which one stands for it */
};

/* Fill in a problem, without an exception; `p` may be NULL. Returns 1, so that a refusal reads `return problem_set(...)`. */
int problem_set(struct problem *p, const char *source, const char *code, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/* Its text for a line of the log: what tasks, messages and providers say may quote a user, so at the usual levels it is left out, and it is told where it stands.
 * Borrowed. */
const char *problem_told(const struct problem *p);

#endif
