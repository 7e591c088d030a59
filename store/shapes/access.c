/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks, and who is told: the columns of each answer, in the order in which statements select them. */
#include "store/shape.h"

#include <stddef.h>

static const struct shape shape_lease[] = {
        { "holder", SHAPE_TEXT }, { "mine", SHAPE_FLAG }, { "wait_ms", SHAPE_NUMBER }, { NULL, 0 }
};

const struct answer_part answer_lease[] = { { NULL, shape_lease, ANSWER_ROW }, { 0 } };

static const struct shape shape_once[] = {
        { "verdict", SHAPE_TEXT }, { "id", SHAPE_TEXT }, { "wait_ms", SHAPE_NUMBER }, { NULL, 0 }
};

const struct answer_part answer_once[] = { { NULL, shape_once, ANSWER_ROW }, { 0 } };

static const struct shape shape_id[] = { { "id", SHAPE_TEXT }, { NULL, 0 } };

const struct answer_part answer_id[] = { { NULL, shape_id, ANSWER_ROW }, { 0 } };

static const struct shape shape_keys[] = { { "id", SHAPE_TEXT },       { "name", SHAPE_TEXT },
                                           { "digest", SHAPE_TEXT },   { "scopes", SHAPE_TEXT },
                                           { "rate", SHAPE_NUMBER },   { "created_ms", SHAPE_MS },
                                           { "revoked_ms", SHAPE_MS }, { NULL, 0 } };

const struct answer_part answer_keys[] = { { NULL, shape_keys, ANSWER_ROWS }, { 0 } };

static const struct shape shape_revoked_keys[] = { { "id", SHAPE_TEXT }, { "name", SHAPE_TEXT }, { NULL, 0 } };

const struct answer_part answer_revoked_keys[] = { { NULL, shape_revoked_keys, ANSWER_ROWS }, { 0 } };

static const struct shape shape_webhook_tries[] = { { "id", SHAPE_TEXT },         { "message", SHAPE_TEXT },
                                                    { "job", SHAPE_TEXT },        { "url", SHAPE_TEXT },
                                                    { "body", SHAPE_TEXT },       { "trace", SHAPE_TEXT },
                                                    { "attempts", SHAPE_NUMBER }, { NULL, 0 } };

const struct answer_part answer_webhook_tries[] = { { NULL, shape_webhook_tries, ANSWER_ROWS }, { 0 } };

static const struct shape shape_webhooks[] = {
        { "id", SHAPE_TEXT },       { "message", SHAPE_TEXT },    { "job", SHAPE_TEXT },      { "url", SHAPE_TEXT },
        { "state", SHAPE_TEXT },    { "attempts", SHAPE_NUMBER }, { "status", SHAPE_NUMBER }, { "why", SHAPE_TEXT },
        { "created_ms", SHAPE_MS }, { "due_ms", SHAPE_MS },       { "done_ms", SHAPE_MS },    { NULL, 0 }
};

const struct answer_part answer_webhooks[] = { { NULL, shape_webhooks, ANSWER_ROWS }, { 0 } };

static const struct shape shape_webhooks_again[] = { { "id", SHAPE_TEXT }, { "job", SHAPE_TEXT }, { NULL, 0 } };

const struct answer_part answer_webhooks_again[] = { { NULL, shape_webhooks_again, ANSWER_ROWS }, { 0 } };

static const struct shape shape_missing[] = { { "digest", SHAPE_TEXT }, { NULL, 0 } };

const struct answer_part answer_missing[] = { { NULL, shape_missing, ANSWER_ROWS }, { 0 } };

static const struct shape shape_count[] = { { "count", SHAPE_NUMBER }, { NULL, 0 } };

const struct answer_part answer_count[] = { { NULL, shape_count, ANSWER_ROW }, { 0 } };
