/* SPDX-License-Identifier: Apache-2.0 */
/* The event of a job that fails, whoever fails it: a worker or the sweeper. Pure. */
#ifndef CHARD_PIPELINES_FAILED_H
#define CHARD_PIPELINES_FAILED_H

#include "core/problem.h"

#include <jansson.h>

#define FAILED_TYPE_SIZE 264 /* no name of a pipeline is cut */

/* "ScanFailed" for "scan", "JobFailed" for a job of no pipeline ("" or NULL). */
void failed_event_type(const char *pipeline, char out[FAILED_TYPE_SIZE]);

/* {"job_id", "user_id" (left out where it is NULL), "error": {"source", "code", "text"}}. New reference; NULL when memory ran out. */
json_t *failed_event_payload(const char *job_id, const char *user_id, const struct problem *why);

#endif
