/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of message/canvas/ share: a task that a canvas follows, and a worker that knows some tasks. */
#ifndef CHARD_TESTS_CANVAS_SUPPORT_H
#define CHARD_TESTS_CANVAS_SUPPORT_H

#include "message_support.h"

/* Of a worker that has a queue for tasks called known…, counts chords, and tells known.new its failure. */
extern const struct follow_how canvas_how;

/* How the task failed; the exception, as JSON. */
#define CANVAS_EXCEPTION "{\"exc_type\":\"E\"}"
extern const struct failure_told canvas_failure;

/* A task with this value under `key` of its embed. */
struct canvas_given {
        struct arena arena;
        struct made made;
        struct task_message task;
};

/* Make one, which must go well; or false when the decoder refuses it. Either is followed by take_back. */
void give(struct canvas_given *g, const char *key, json_t *takes_value);
bool try_to_give(struct canvas_given *g, const char *key, json_t *takes_value);
void take_back(struct canvas_given *g);

/* How many messages there are; then it is empty. */
size_t count_and_clear(struct following *f);

/* A group or chain as a signature; new reference. */
json_t *canvas(const char *type, json_t *takes_tasks);

#endif
