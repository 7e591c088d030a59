/* SPDX-License-Identifier: Apache-2.0 */
#include "consumers/models/bulk.h"

#include "core/json.h"

#include <string.h>

/* ---- asking ---- */

void bulk_add(struct buffer *out, const struct bulk_item *item)
{
        JSON_OWNED json_t *action =
                json_pack("{s:{s:s, s:s, s:I, s:s, s:b}}", "index", "_index", item->index, "_id", item->id, "version",
                          (json_int_t)item->version, "version_type", "external", "require_alias", item->model != NULL);
        char *line = action ? json_dumps(action, JSON_COMPACT) : NULL;
        if (!line) {
                out->failed = true;
                return;
        }
        buffer_add_string(out, line);
        buffer_add_byte(out, '\n');
        buffer_add(out, item->body.data, item->body.size);
        buffer_add_byte(out, '\n');
        free(line);
}

/* ---- the answer ---- */

/* What is no fault of the document: a right that is missing, a full disk, which makes indexes read-only, an operator who closed one, too many requests. */
static bool bulk_passes(json_int_t status, const char *type)
{
        return status == 401 || status == 403 || status == 429 || status >= 500 ||
               strcmp(type, "index_closed_exception") == 0;
}

static void bulk_judge_one(struct bulk_item *item, const json_t *said)
{
        const json_t *error = json_object_get(said, "error");
        const json_int_t status = json_number(said, "status", 0);
        const char *type = json_text(error, "type", ""), *reason = json_text(error, "reason", "it does not say why");
        if (status >= 200 && status < 300) {
                item->end = MODEL_WRITTEN;
                return;
        }
        if (status == 409) {
                item->end = MODEL_NEWER;
                return;
        }
        if (strcmp(type, "index_not_found_exception") == 0)
                item->end = MODEL_GONE;
        else
                item->end = bulk_passes(status, type) ? MODEL_LATER : MODEL_REFUSED;
        problem_set(&item->why, "models", *type ? type : "refused",
                    "the index %.60s does not take the document %.80s: %.300s", item->index, item->id, reason);
}

static enum bulk_verdict bulk_judge_items(struct bulk_item *items, size_t count, const json_t *said,
                                          struct problem *why)
{
        const json_t *list = json_object_get(said, "items");
        if (!json_is_array(list) || json_array_size(list) != count) {
                problem_set(why, "models", "away", "what answers a bulk request of %zu documents is not OpenSearch",
                            count);
                return BULK_AWAY;
        }
        for (size_t i = 0; i < count; i++)
                bulk_judge_one(&items[i], json_object_get(json_array_get(list, i), "index"));
        return BULK_JUDGED;
}

/* Refused as a whole: 400 = a line of it, 413 = its size. */
static enum bulk_verdict bulk_judge_whole(struct bulk_item *items, size_t count, long status, const json_t *said,
                                          struct problem *why)
{
        const char *reason = json_text(json_object_get(said, "error"), "reason", "it does not say why");
        if ((status == 400 || status == 413) && count > 1)
                return BULK_SPLIT;
        if (status != 400 && status != 413) {
                problem_set(why, "models", "away", "OpenSearch answers %ld: %.300s", status, reason);
                return BULK_AWAY;
        }
        items[0].end = MODEL_REFUSED;
        problem_set(&items[0].why, "models", status == 413 ? "too_large" : "refused",
                    "the index %.60s does not take the document %.80s: %.300s", items[0].index, items[0].id,
                    status == 413 ? "it is larger than OpenSearch takes" : reason);
        return BULK_JUDGED;
}

enum bulk_verdict bulk_read_answer(struct bulk_item *items, size_t count, long status, struct bytes answer,
                                   struct problem *why)
{
        JSON_OWNED json_t *said = NULL;
        const int rc = json_parse(answer, "models", &said, NULL);
        if (rc < 0) {
                problem_set(why, "models", "away", "out of memory");
                return BULK_AWAY;
        }
        return status >= 200 && status < 300 ? bulk_judge_items(items, count, said, why)
                                             : bulk_judge_whole(items, count, status, said, why);
}
