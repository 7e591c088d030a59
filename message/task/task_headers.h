/* SPDX-License-Identifier: Apache-2.0 */
/* The header table of a task, read into struct task_message in one pass. */
#ifndef CHARD_MESSAGE_TASK_HEADERS_H
#define CHARD_MESSAGE_TASK_HEADERS_H

#include "message/message.h"

/* What the headers say about the body; borrowed from the table. */
struct body_form {
        struct bytes compression;   /* empty: none */
        struct bytes body_encoding; /* kombu's virtual transports; empty: none */
        bool said_base64;           /* the content encoding is that; whether the body is, is seen */
};

/* Read the inside of a header table. Returns 0; 1 with `why` (code "bad_properties", "bad_header") for the first fault,
 * having read all that could be read; or -ENOMEM. */
int task_headers_read(struct arena *a, struct bytes table, struct task_message *out, struct body_form *form,
                      struct problem *why);

/* A text that may become a name or id: copied to the arena in *out. Returns 0, 1 when it is longer than MESSAGE_MAX_NAME, no
 * UTF-8 or holds NUL (*out is then NULL), or -ENOMEM. */
int task_text_copy(struct arena *a, struct bytes text, const char **out);

#endif
