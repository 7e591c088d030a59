/* SPDX-License-Identifier: Apache-2.0 */
/* A signature from a body's embed, `{"task", "args", "kwargs", "options", "subtask_type", "immutable"}`, read with its
 * options (celery.canvas.Signature; the options are those of Task.apply_async). It comes from outside: every part is checked. */
#ifndef CHARD_MESSAGE_SIGNATURE_OPTIONS_H
#define CHARD_MESSAGE_SIGNATURE_OPTIONS_H

#include "core/clock.h"
#include "message/task/task_form.h"

/* All borrowed from the signature; the texts that had to be made are inside. */
struct signature_read {
        struct task_form form;  /* what the signature itself says; id may be NULL; route as named below */
        const char *queue;      /* options.queue, or NULL */
        const char *route_name; /* the task that a map is of: its queue is where the map goes; or NULL */
        const json_t *link, *link_error, *chain, *chord; /* options, or NULL */
        const json_t *headers;                           /* options.headers, an object, or NULL */
        bool immutable;
        char eta[CLOCK_TEXT_SIZE], expires[CLOCK_TEXT_SIZE];
};

/* Read a signature; countdown and relative expires count from now_ms. `out` must not be moved afterwards.
 * Returns 0, or 1 with `why` (source "message", code "bad_signature", "unsupported_canvas": of a type that is no task). */
int signature_read(const json_t *signature, int64_t now_ms, struct signature_read *out, struct problem *why);

#endif
