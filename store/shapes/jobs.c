/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs, their tasks and messages: the columns of each answer, in the order in which statements select them. */
#include "store/shape.h"

#include <stddef.h>

static const struct shape shape_owed[] = { { "id", SHAPE_NUMBER },
                                           { "task_id", SHAPE_TEXT },
                                           { "queue", SHAPE_TEXT },
                                           { "properties", SHAPE_HEX },
                                           { "body", SHAPE_HEX },
                                           { "telling", SHAPE_HEX },
                                           { NULL, 0 } };

const struct answer_part answer_owed[] = { { NULL, shape_owed, ANSWER_ROWS }, { 0 } };

static const struct shape shape_scheduled[] = { { "id", SHAPE_NUMBER },        { "task_id", SHAPE_TEXT },
                                                { "reason", SHAPE_TEXT },      { "exchange", SHAPE_TEXT },
                                                { "routing_key", SHAPE_TEXT }, { "due_ms", SHAPE_MS },
                                                { "created_ms", SHAPE_MS },    { "returns", SHAPE_NUMBER },
                                                { "size", SHAPE_NUMBER },      { NULL, 0 } };

const struct answer_part answer_scheduled[] = { { NULL, shape_scheduled, ANSWER_ROWS }, { 0 } };

static const struct shape shape_upcoming[] = { { "due_ms", SHAPE_MS },        { "exchange", SHAPE_TEXT },
                                               { "routing_key", SHAPE_TEXT }, { "properties", SHAPE_HEX },
                                               { "body", SHAPE_HEX },         { NULL, 0 } };

const struct answer_part answer_upcoming[] = { { NULL, shape_upcoming, ANSWER_ROWS }, { 0 } };

static const struct shape shape_job[] = { { "id", SHAPE_TEXT },          { "pipeline", SHAPE_TEXT },
                                          { "state", SHAPE_TEXT },       { "document", SHAPE_JSON },
                                          { "error", SHAPE_JSON },       { "created_at", SHAPE_TIME },
                                          { "finished_at", SHAPE_TIME }, { NULL, 0 } };

static const struct shape shape_job_task[] = { { "id", SHAPE_TEXT },
                                               { "parent_id", SHAPE_TEXT },
                                               { "name", SHAPE_TEXT },
                                               { "state", SHAPE_TEXT },
                                               { "attempts", SHAPE_NUMBER },
                                               { "starts", SHAPE_NUMBER },
                                               { "provider", SHAPE_TEXT },
                                               { "model", SHAPE_TEXT },
                                               { "tokens_in", SHAPE_NUMBER },
                                               { "tokens_out", SHAPE_NUMBER },
                                               { "cost_usd", SHAPE_NANO },
                                               { "elapsed_ms", SHAPE_NUMBER },
                                               { "error", SHAPE_JSON },
                                               { "created_at", SHAPE_TIME },
                                               { "started_at", SHAPE_TIME },
                                               { "finished_at", SHAPE_TIME },
                                               { NULL, 0 } };

static const struct shape shape_job_event[] = { { "id", SHAPE_TEXT },           { "aggregate_type", SHAPE_TEXT },
                                                { "aggregate_id", SHAPE_TEXT }, { "type", SHAPE_TEXT },
                                                { "version", SHAPE_NUMBER },    { "payload", SHAPE_JSON },
                                                { "created_at", SHAPE_TIME },   { NULL, 0 } };

const struct answer_part answer_job[] = { { NULL, shape_job, ANSWER_ROW },
                                          { "tasks", shape_job_task, ANSWER_ROWS },
                                          { "events", shape_job_event, ANSWER_ROWS },
                                          { 0 } };

static const struct shape shape_trail_task[] = { { "id", SHAPE_TEXT },     { "owner", SHAPE_TEXT },
                                                 { "until_ms", SHAPE_MS }, { "replaced", SHAPE_NUMBER },
                                                 { "part", SHAPE_TEXT },   { NULL, 0 } };

static const struct shape shape_trail_message[] = { { "id", SHAPE_NUMBER },      { "task_id", SHAPE_TEXT },
                                                    { "reason", SHAPE_TEXT },    { "routing_key", SHAPE_TEXT },
                                                    { "created_ms", SHAPE_MS },  { "due_ms", SHAPE_MS },
                                                    { "returns", SHAPE_NUMBER }, { NULL, 0 } };

static const struct shape shape_trail_dead[] = { { "entry", SHAPE_NUMBER },
                                                 { "task_id", SHAPE_TEXT },
                                                 { "name", SHAPE_TEXT },
                                                 { "state", SHAPE_TEXT },
                                                 { "source", SHAPE_TEXT },
                                                 { "code", SHAPE_TEXT },
                                                 { "attempts", SHAPE_NUMBER },
                                                 { "died_ms", SHAPE_MS },
                                                 { "kept_ms", SHAPE_MS },
                                                 { "settled_ms", SHAPE_MS },
                                                 { NULL, 0 } };

static const struct shape shape_trail_act[] = { { "entry", SHAPE_NUMBER }, { "at_ms", SHAPE_MS },
                                                { "action", SHAPE_TEXT },  { "who", SHAPE_TEXT },
                                                { "reason", SHAPE_TEXT },  { NULL, 0 } };

const struct answer_part answer_trail[] = { { "tasks", shape_trail_task, ANSWER_ROWS },
                                            { "waiting", shape_trail_message, ANSWER_ROWS },
                                            { "dead", shape_trail_dead, ANSWER_ROWS },
                                            { "acts", shape_trail_act, ANSWER_ROWS },
                                            { 0 } };

static const struct shape shape_listed[] = { { "id", SHAPE_TEXT },         { "pipeline", SHAPE_TEXT },
                                             { "state", SHAPE_TEXT },      { "user_id", SHAPE_TEXT },
                                             { "created_at", SHAPE_TIME }, { "finished_at", SHAPE_TIME },
                                             { "error", SHAPE_JSON },      { NULL, 0 } };

static const struct shape shape_cursor[] = { { "cursor", SHAPE_TEXT }, { NULL, 0 } };

const struct answer_part answer_job_page[] = { { "jobs", shape_listed, ANSWER_ROWS },
                                               { NULL, shape_cursor, ANSWER_ROW },
                                               { 0 } };

static const struct shape shape_found[] = { { "job", SHAPE_TEXT },
                                            { "id", SHAPE_TEXT },
                                            { "kind", SHAPE_TEXT },
                                            { "name", SHAPE_TEXT },
                                            { "properties", SHAPE_HEX },
                                            { "due_ms", SHAPE_MS },
                                            { NULL, 0 } };

const struct answer_part answer_found[] = { { NULL, shape_found, ANSWER_ROWS }, { 0 } };

static const struct shape shape_steps[] = { { "job", SHAPE_TEXT },
                                            { "position", SHAPE_NUMBER },
                                            { "kind", SHAPE_TEXT },
                                            { "task_id", SHAPE_TEXT },
                                            { "name", SHAPE_TEXT },
                                            { "state", SHAPE_TEXT },
                                            { "attempt", SHAPE_NUMBER },
                                            { "at", SHAPE_TIME },
                                            { "payload", SHAPE_JSON },
                                            { "version", SHAPE_NUMBER },
                                            { NULL, 0 } };

const struct answer_part answer_job_steps[] = { { NULL, shape_steps, ANSWER_ROWS }, { 0 } };

static const struct shape shape_cancelled[] = {
        { "state", SHAPE_TEXT }, { "revoked", SHAPE_NUMBER }, { "tasks", SHAPE_JSON }, { NULL, 0 }
};

const struct answer_part answer_cancelled[] = { { NULL, shape_cancelled, ANSWER_ROW }, { 0 } };

static const struct shape shape_stale[] = { { "id", SHAPE_TEXT },
                                            { "pipeline", SHAPE_TEXT },
                                            { "state", SHAPE_TEXT },
                                            { "updated_us", SHAPE_NUMBER },
                                            { "since_us", SHAPE_NUMBER },
                                            { "restarts", SHAPE_NUMBER },
                                            { "document", SHAPE_JSON },
                                            { "last_id", SHAPE_TEXT },
                                            { "last_name", SHAPE_TEXT },
                                            { "last_parent_id", SHAPE_TEXT },
                                            { "last_result", SHAPE_JSON },
                                            { "chain", SHAPE_JSON },
                                            { NULL, 0 } };

const struct answer_part answer_stale[] = { { NULL, shape_stale, ANSWER_ROWS }, { 0 } };

static const struct shape shape_chord_parts[] = { { "id", SHAPE_TEXT },
                                                  { "part", SHAPE_TEXT },
                                                  { "state", SHAPE_TEXT },
                                                  { "result", SHAPE_TEXT },
                                                  { "error", SHAPE_JSON },
                                                  { "sends", SHAPE_JSON },
                                                  { NULL, 0 } };

const struct answer_part answer_chord_parts[] = { { NULL, shape_chord_parts, ANSWER_ROWS }, { 0 } };
