/* SPDX-License-Identifier: Apache-2.0 */
/* What one store hands out and another takes in: the columns of each answer, in the order in which statements select them. */
#include "store/shape.h"

#include <stddef.h>

static const struct shape shape_carry_jobs[] = { { "cursor", SHAPE_NUMBER },    { "root_id", SHAPE_TEXT },
                                                 { "pipeline", SHAPE_TEXT },    { "state", SHAPE_TEXT },
                                                 { "created_at", SHAPE_TIME },  { "updated_at", SHAPE_TIME },
                                                 { "finished_at", SHAPE_TIME }, { "error", SHAPE_TEXT },
                                                 { "document", SHAPE_TEXT },    { "chain", SHAPE_TEXT },
                                                 { "last_task", SHAPE_TEXT },   { "restarts", SHAPE_NUMBER },
                                                 { "branches", SHAPE_NUMBER },  { NULL, 0 } };

const struct answer_part answer_carry_jobs[] = { { NULL, shape_carry_jobs, ANSWER_ROWS }, { 0 } };

static const struct shape shape_carry_tasks[] = { { "cursor", SHAPE_NUMBER },
                                                  { "id", SHAPE_TEXT },
                                                  { "root_id", SHAPE_TEXT },
                                                  { "parent_id", SHAPE_TEXT },
                                                  { "name", SHAPE_TEXT },
                                                  { "state", SHAPE_TEXT },
                                                  { "created_at", SHAPE_TIME },
                                                  { "started_at", SHAPE_TIME },
                                                  { "finished_at", SHAPE_TIME },
                                                  { "starts", SHAPE_NUMBER },
                                                  { "attempts", SHAPE_NUMBER },
                                                  { "tokens_in", SHAPE_NUMBER },
                                                  { "tokens_out", SHAPE_NUMBER },
                                                  { "cost_nano", SHAPE_NUMBER },
                                                  { "elapsed_ms", SHAPE_NUMBER },
                                                  { "provider", SHAPE_TEXT },
                                                  { "model", SHAPE_TEXT },
                                                  { "error", SHAPE_TEXT },
                                                  { "result", SHAPE_TEXT },
                                                  { "replaced", SHAPE_NUMBER },
                                                  { "sends", SHAPE_TEXT },
                                                  { "chord_part", SHAPE_TEXT },
                                                  { NULL, 0 } };

const struct answer_part answer_carry_tasks[] = { { NULL, shape_carry_tasks, ANSWER_ROWS }, { 0 } };

static const struct shape shape_carry_events[] = { { "cursor", SHAPE_NUMBER },
                                                   { "id", SHAPE_TEXT },
                                                   { "aggregate_type", SHAPE_TEXT },
                                                   { "aggregate_id", SHAPE_TEXT },
                                                   { "version", SHAPE_NUMBER },
                                                   { "type", SHAPE_TEXT },
                                                   { "root_id", SHAPE_TEXT },
                                                   { "task_id", SHAPE_TEXT },
                                                   { "created_at", SHAPE_TIME },
                                                   { "payload", SHAPE_TEXT },
                                                   { "unsent", SHAPE_NUMBER },
                                                   { "tracingspancontext", SHAPE_TEXT },
                                                   { NULL, 0 } };

const struct answer_part answer_carry_events[] = { { NULL, shape_carry_events, ANSWER_ROWS }, { 0 } };

static const struct shape shape_carry_facts[] = {
        { "cursor", SHAPE_NUMBER }, { "at", SHAPE_TIME },    { "once", SHAPE_NUMBER },
        { "kind", SHAPE_TEXT },     { "owner", SHAPE_TEXT }, { "key", SHAPE_TEXT },
        { "task_id", SHAPE_TEXT },  { "value", SHAPE_TEXT }, { NULL, 0 }
};

const struct answer_part answer_carry_facts[] = { { NULL, shape_carry_facts, ANSWER_ROWS }, { 0 } };

static const struct shape shape_carry_inbox[] = { { "cursor", SHAPE_NUMBER },
                                                  { "at", SHAPE_TIME },
                                                  { "consumer", SHAPE_TEXT },
                                                  { "event_id", SHAPE_TEXT },
                                                  { NULL, 0 } };

const struct answer_part answer_carry_inbox[] = { { NULL, shape_carry_inbox, ANSWER_ROWS }, { 0 } };

static const struct shape shape_carry_once[] = {
        { "cursor", SHAPE_NUMBER },   { "key", SHAPE_TEXT },   { "fingerprint", SHAPE_TEXT },
        { "job_id", SHAPE_TEXT },     { "token", SHAPE_TEXT }, { "until", SHAPE_TIME },
        { "created_at", SHAPE_TIME }, { "done", SHAPE_FLAG },  { NULL, 0 }
};

const struct answer_part answer_carry_once[] = { { NULL, shape_carry_once, ANSWER_ROWS }, { 0 } };

static const struct shape shape_carry_keys[] = {
        { "cursor", SHAPE_NUMBER },   { "id", SHAPE_TEXT },         { "name", SHAPE_TEXT },
        { "digest", SHAPE_TEXT },     { "scopes", SHAPE_TEXT },     { "rate", SHAPE_NUMBER },
        { "created_at", SHAPE_TIME }, { "revoked_at", SHAPE_TIME }, { NULL, 0 }
};

const struct answer_part answer_carry_keys[] = { { NULL, shape_carry_keys, ANSWER_ROWS }, { 0 } };

static const struct shape shape_carry_webhooks[] = { { "cursor", SHAPE_NUMBER },
                                                     { "id", SHAPE_TEXT },
                                                     { "job_id", SHAPE_TEXT },
                                                     { "url", SHAPE_TEXT },
                                                     { "trace", SHAPE_TEXT },
                                                     { "state", SHAPE_TEXT },
                                                     { "told", SHAPE_TEXT },
                                                     { "body", SHAPE_TEXT },
                                                     { "why", SHAPE_TEXT },
                                                     { "attempts", SHAPE_NUMBER },
                                                     { "round", SHAPE_NUMBER },
                                                     { "status", SHAPE_NUMBER },
                                                     { "created_at", SHAPE_TIME },
                                                     { "due_at", SHAPE_TIME },
                                                     { "done_at", SHAPE_TIME },
                                                     { "ended_at", SHAPE_TIME },
                                                     { NULL, 0 } };

const struct answer_part answer_carry_webhooks[] = { { NULL, shape_carry_webhooks, ANSWER_ROWS }, { 0 } };

static const struct shape shape_carry_audits[] = { { "cursor", SHAPE_NUMBER },  { "at", SHAPE_TIME },
                                                   { "batch", SHAPE_HEX },      { "operation", SHAPE_TEXT },
                                                   { "action", SHAPE_TEXT },    { "who", SHAPE_TEXT },
                                                   { "reason", SHAPE_TEXT },    { "scope", SHAPE_TEXT },
                                                   { "entries", SHAPE_NUMBER }, { NULL, 0 } };

const struct answer_part answer_carry_audits[] = { { NULL, shape_carry_audits, ANSWER_ROWS }, { 0 } };

static const struct shape shape_carry_dead[] = { { "cursor", SHAPE_NUMBER },
                                                 { "died_at", SHAPE_TIME },
                                                 { "kept_at", SHAPE_TIME },
                                                 { "settled_at", SHAPE_TIME },
                                                 { "attempts", SHAPE_NUMBER },
                                                 { "rounds", SHAPE_NUMBER },
                                                 { "automatic", SHAPE_NUMBER },
                                                 { "key", SHAPE_HEX },
                                                 { "same", SHAPE_HEX },
                                                 { "state", SHAPE_TEXT },
                                                 { "task_id", SHAPE_TEXT },
                                                 { "root_id", SHAPE_TEXT },
                                                 { "name", SHAPE_TEXT },
                                                 { "queue", SHAPE_TEXT },
                                                 { "error_source", SHAPE_TEXT },
                                                 { "error_code", SHAPE_TEXT },
                                                 { "error_message", SHAPE_TEXT },
                                                 { "group_id", SHAPE_TEXT },
                                                 { "cause", SHAPE_TEXT },
                                                 { "trace_id", SHAPE_TEXT },
                                                 { "user_id", SHAPE_TEXT },
                                                 { "worker", SHAPE_TEXT },
                                                 { "next_task", SHAPE_TEXT },
                                                 { "verdict", SHAPE_TEXT },
                                                 { "properties", SHAPE_HEX },
                                                 { "body", SHAPE_HEX },
                                                 { "edited", SHAPE_HEX },
                                                 { "batches", SHAPE_JSON },
                                                 { NULL, 0 } };

const struct answer_part answer_carry_dead[] = { { NULL, shape_carry_dead, ANSWER_ROWS }, { 0 } };

static const struct shape shape_carry_untold[] = {
        { "cursor", SHAPE_NUMBER }, { "key", SHAPE_HEX },     { "created_at", SHAPE_TIME },
        { "task_id", SHAPE_TEXT },  { "queue", SHAPE_TEXT },  { "properties", SHAPE_HEX },
        { "body", SHAPE_HEX },      { "telling", SHAPE_HEX }, { NULL, 0 }
};

const struct answer_part answer_carry_untold[] = { { NULL, shape_carry_untold, ANSWER_ROWS }, { 0 } };

static const struct shape shape_carry_scheduled[] = { { "cursor", SHAPE_NUMBER }, { "key", SHAPE_HEX },
                                                      { "due_at", SHAPE_TIME },   { "created_at", SHAPE_TIME },
                                                      { "exchange", SHAPE_TEXT }, { "routing_key", SHAPE_TEXT },
                                                      { "reason", SHAPE_TEXT },   { "task_id", SHAPE_TEXT },
                                                      { "root_id", SHAPE_TEXT },  { "properties", SHAPE_HEX },
                                                      { "body", SHAPE_HEX },      { NULL, 0 } };

const struct answer_part answer_carry_scheduled[] = { { NULL, shape_carry_scheduled, ANSWER_ROWS }, { 0 } };
