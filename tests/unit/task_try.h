/* SPDX-License-Identifier: Apache-2.0 */
/* Runs tasks in tests: documents and what must come out are JSON texts, in which ' stands for ".
 *
 * What must come out is compared whole, with three signs: "…" stands for any value; "…text" for a text that holds it; and an object with
 * the member "…" may have members beside those named. */
#ifndef CHARD_TEST_TASK_TRY_H
#define CHARD_TEST_TASK_TRY_H

#include "catalog/catalog.h"

#include <jansson.h>

/* What the program ships, made ready once. */
struct catalog *shipped(void);

/* Builds it: the set-up of a group of tests, so that those in which memory is short do not spend themselves on that. */
int build_shipped(void **state);

/* Parse JSON written with ' for "; fails the test when it is none. New reference. */
json_t *json_of(const char *text);

/* Fail the test, showing both, unless `actual` (taken) is what `expected` says. `label` names the row. */
void assert_outcome(const char *label, const char *expected, json_t *takes);

/* What a task asks: {"task", "model": "text" | "vision", "deadline_ms", "lang", "turns": [{"role", "parts": [{"image" | "text": …}]}]},
 * or {"refused": {"source", "code", "text"}}. */
json_t *try_ask(const char *task, const char *document);

/* What a task makes of a document, by conclude(reply), or by run() seeing `facts` when `reply` is NULL:
 * {"sections": {…}, "events": [{"of": "scan job-1", "type", "payload"}…], "facts": [{"once" | "merge": "kind owner key", "value"}…]},
 * empty lists left out, or {"refused": …}. */
json_t *try_conclude(const char *task, const char *document, const char *reply);
json_t *try_run(const char *task, const char *document, const char *facts);

/* What a consumer makes of an event seeing `facts`, as try_run does, with "sends" where it sends tasks; or {"refused": …} or {"again": the code}. */
json_t *try_consumer(const char *consumer, const char *event, const char *facts);

/* What a projector makes of the first of its aggregate's events (the type `of`, the id "x") seeing all of them, with "documents": [{"of": "MODEL ID PART VERSION",
 * "value"}]. */
json_t *try_projector(const char *consumer, const char *of, const json_t *history, const char *facts);

/* What a task without a document makes of its arguments: its result, or {"refused": …}. */
json_t *try_args(const char *task, const char *args);

/* What the offline provider answers to what the task asks; fails the test unless that fits the task's schema. */
json_t *try_offline(const char *task, const char *document);

#endif
