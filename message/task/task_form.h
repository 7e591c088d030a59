/* SPDX-License-Identifier: Apache-2.0 */
/* A task's message about to be written: its headers as celery.app.amqp.as_task_v2 of Celery 5.7 lists them, and
 * the properties that kombu gives it. */
#ifndef CHARD_MESSAGE_TASK_FORM_H
#define CHARD_MESSAGE_TASK_FORM_H

#include "message/message.h"

/* Everything is borrowed. Texts that are NULL and values that are NULL become null headers. */
struct task_form {
        const char *exchange, *routing_key;
        const char *name, *id, *root_id, *parent_id, *origin, *shadow, *group_id, *eta, *expires, *reply_to;
        int priority;
        const json_t *group_index, *retries, *hard_limit, *soft_limit, *ignore_result, *replaced_task_nesting;
        const json_t *stamped_headers; /* array of names, or NULL */
        const json_t *stamps;          /* object that has them as members, among others; or NULL */
        struct bytes first;            /* JSON text of a first positional argument; empty: none */
        const json_t *args, *kwargs;   /* array, object; NULL: empty */
        struct trace_context trace;    /* what is absent gets no header */
};

/* Append all headers of the protocol. */
void task_form_headers(const struct task_form *f, struct buffer *table);

/* Append how people are shown its arguments: argsrepr and kwargsrepr, a part of those. */
void task_form_reprs(const struct task_form *f, struct buffer *table);

/* Append the start of the body, `[[args…],{kwargs…},`; what follows is embed and `]`. */
void task_form_body(const struct task_form *f, struct buffer *body);

/* The message, from the inside of its header table and its body. NULL when memory ran out, here or in the buffers. */
struct message *task_form_message(const struct task_form *f, const struct buffer *table, const struct buffer *body);

#endif
