/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http/problems.h"

#include <stddef.h>
#include <string.h>

static const struct problem_row problem_rows[] = {
        { "request", "bad_target", 400 },  { "request", "bad_parameter", 400 },  { "request", "bad_framing", 400 },
        { "request", "bad_body", 400 },    { "request", "bad_json", 400 },       { "request", "bad_form", 400 },
        { "request", "bad_key", 400 },     { "request", "no_key", 401 },         { "request", "wrong_key", 401 },
        { "request", "wrong_token", 401 }, { "request", "expired", 401 },        { "request", "bad_origin", 403 },
        { "request", "no_scope", 403 },    { "request", "too_many", 429 },       { "request", "not_found", 404 },
        { "request", "bad_method", 405 },  { "request", "too_large", 413 },      { "request", "bad_type", 415 },
        { "request", "bad_coding", 415 },  { "request", "bad_host", 421 },       { "request", "bad_request", 422 },
        { "request", "bad_picture", 422 }, { "request", "head_too_large", 431 }, { NULL, NULL, 0 },
};

static const struct {
        unsigned status;
        const char *title;
} problem_titles[] = {
        { 400, "Bad Request" },         { 401, "Unauthorized" },
        { 403, "Forbidden" },           { 404, "Not Found" },
        { 405, "Method Not Allowed" },  { 409, "Conflict" },
        { 413, "Content Too Large" },   { 415, "Unsupported Media Type" },
        { 421, "Misdirected Request" }, { 422, "Unprocessable Content" },
        { 429, "Too Many Requests" },   { 431, "Request Header Fields Too Large" },
        { 503, "Service Unavailable" },
};

/* 0: it is not in the table. */
static unsigned problem_listed(const struct problem *why, const struct problem_row *rows)
{
        for (; rows && rows->code; rows++)
                if (strcmp(rows->source, why->source) == 0 && strcmp(rows->code, why->code) == 0)
                        return rows->status;
        return 0;
}

unsigned problem_status(const struct problem *why, const struct problem_row *own)
{
        const unsigned status = problem_listed(why, problem_rows);
        const unsigned others = status ? status : problem_listed(why, own);
        return others ? others : 503;
}

/* "Not Found" for 404. */
static const char *problem_title(unsigned status)
{
        for (size_t i = 0; i < sizeof(problem_titles) / sizeof(problem_titles[0]); i++)
                if (problem_titles[i].status == status)
                        return problem_titles[i].title;
        return "Error";
}

json_t *problem_details(unsigned status, const struct problem *why, const json_t *extra)
{
        json_t *value = json_pack("{s:s+, s:s, s:i, s:s, s:s}", "type", "urn:chard:problem:", why->code, "title",
                                  problem_title(status), "status", (int)status, "detail", why->text, "code", why->code);
        if (value && extra && json_object_update_missing(value, (json_t *)extra)) {
                json_decref(value);
                return NULL;
        }
        return value;
}
