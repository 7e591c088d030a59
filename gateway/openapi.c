/* SPDX-License-Identifier: Apache-2.0 */
/* The description of this interface, made from the table of routes and what the catalogue's pipelines take. Sources: OpenAPI 3.1.0; 3.2.0, "Sequential Media Types". */
#include "core/json.h"
#include "gateway/keys.h"
#include "gateway/letters/letters.h"
#include "gateway/own.h"
#include "pipelines/pipeline.h"

#include <stdio.h>
#include <string.h>

#define OPENAPI_TASK                                                                                   \
        "{\"type\":\"object\",\"required\":[\"name\"],\"additionalProperties\":false,\"properties\":{" \
        "\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":255},"                            \
        "\"id\":{\"type\":[\"string\",\"null\"],\"minLength\":1,\"maxLength\":255},"                   \
        "\"queue\":{\"type\":[\"string\",\"null\"],\"minLength\":1,\"maxLength\":255},"                \
        "\"args\":{\"type\":[\"array\",\"null\"]},\"kwargs\":{\"type\":[\"object\",\"null\"]},"        \
        "\"countdown\":{\"type\":\"number\",\"minimum\":0,\"description\":\"seconds from now\"},"      \
        "\"eta\":{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"},"                           \
        "\"expires\":{\"type\":\"number\",\"minimum\":0,\"description\":\"seconds from now\"},"        \
        "\"priority\":{\"type\":[\"integer\",\"null\"],\"minimum\":0,\"maximum\":255},"                \
        "\"webhook\":{\"type\":\"string\",\"format\":\"uri\"}}}"

#define OPENAPI_EVENT                                                                                 \
        "{\"type\":\"object\",\"required\":[\"data\"],\"properties\":{"                               \
        "\"id\":{\"type\":\"string\",\"description\":\"for Last-Event-ID\"},"                         \
        "\"event\":{\"enum\":[\"task\",\"event\",\"job\",\"end\"]},"                                  \
        "\"retry\":{\"type\":\"integer\",\"minimum\":0},"                                             \
        "\"data\":{\"type\":\"string\",\"contentMediaType\":\"application/json\",\"contentSchema\":{" \
        "\"type\":\"object\",\"properties\":{\"kind\":{\"enum\":[\"task\",\"event\",\"job\"]},"       \
        "\"task_id\":{\"type\":[\"string\",\"null\"]},\"name\":{\"type\":[\"string\",\"null\"]},"     \
        "\"state\":{\"type\":[\"string\",\"null\"]},\"attempt\":{\"type\":[\"integer\",\"null\"]}}}}}}"

#define OPENAPI_BLOB                                                                       \
        "{\"type\":\"object\",\"required\":[\"url\",\"type\",\"size\"],\"properties\":{"   \
        "\"url\":{\"type\":\"string\",\"pattern\":\"^blob:sha256:[0-9a-f]{64}$\"},"        \
        "\"type\":{\"enum\":[\"image/jpeg\",\"image/png\",\"image/webp\",\"image/gif\"]}," \
        "\"size\":{\"type\":\"integer\"}}}"

#define OPENAPI_ACTION                                                                                                        \
        "{\"type\":\"object\",\"properties\":{\"filter\":{\"type\":\"object\",\"description\":"                               \
        "\"what it is done to: as the parameters of /v1/dead-letters have it, less state and upto; {}: all that are kept\","  \
        "\"additionalProperties\":{\"type\":\"string\"}},"                                                                    \
        "\"entries\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":1000,\"items\":{\"type\":\"integer\",\"minimum\":1}},"   \
        "\"rehearse\":{\"type\":\"boolean\",\"description\":\"only say what would become of them\"},"                         \
        "\"most\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":10000},"                                                    \
        "\"upto\":{\"type\":\"integer\",\"minimum\":0,\"description\":\"no later ones than this entry\"},"                    \
        "\"after\":{\"type\":\"integer\",\"minimum\":0,\"description\":\"of an earlier answer: where it goes on\"},"          \
        "\"rate\":{\"type\":\"integer\",\"minimum\":0,\"description\":\"entries a second that become due; 0: all at once\"}," \
        "\"to\":{\"type\":\"string\",\"description\":\"the queue to send them to; else their own\"},"                         \
        "\"reason\":{\"type\":\"string\",\"maxLength\":1000},"                                                                \
        "\"operation\":{\"type\":\"string\",\"description\":\"of an earlier answer, which this goes on with\"}}}"

#define OPENAPI_SCHEMAS                                                                                               \
        "{\"Problem\":{\"type\":\"object\",\"required\":[\"type\",\"title\",\"status\",\"detail\",\"code\"],"         \
        "\"properties\":{\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"                             \
        "\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},\"code\":{\"type\":\"string\"}}},"        \
        "\"Submitted\":{\"type\":\"object\",\"required\":[\"id\",\"state\",\"links\"],\"properties\":{"               \
        "\"id\":{\"type\":\"string\"},\"pipeline\":{\"type\":[\"string\",\"null\"]},\"state\":{\"type\":\"string\"}," \
        "\"links\":{\"type\":\"object\",\"properties\":{\"self\":{\"type\":\"string\"},"                              \
        "\"events\":{\"type\":\"string\"}}}}},\"Event\":" OPENAPI_EVENT ",\"Blob\":" OPENAPI_BLOB                     \
        ",\"Task\":" OPENAPI_TASK ",\"Action\":" OPENAPI_ACTION "}"

static json_t *openapi_parameter(const struct route_param *p)
{
        json_t *schema = p->kind == ROUTE_NUMBER ? json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum",
                                                             (json_int_t)p->least, "maximum", (json_int_t)p->most)
                         : p->kind == ROUTE_TIME ? json_pack("{s:s, s:s}", "type", "string", "format", "date-time")
                                                 : json_pack("{s:s, s:i}", "type", "string", "minLength", 1);
        return json_pack("{s:s, s:s, s:s, s:o}", "name", p->name, "in", "query", "description", p->help, "schema",
                         schema);
}

/* What takes a body of those who may submit makes jobs, except pictures. */
static bool openapi_makes_jobs(const struct route *r)
{
        return r->takes && strcmp(r->needs, "submit") == 0 && r->serve != upload_picture;
}

/* Those in braces, those of the query, then headers. */
static json_t *openapi_parameters(const struct route *r)
{
        json_t *all = json_array();
        for (const char *at = r->pattern; (at = strchr(at, '{')); at++)
                json_array_append_new(all, json_pack("{s:s%, s:s, s:b, s:{s:s, s:i}}", "name", at + 1,
                                                     strcspn(at + 1, "}"), "in", "path", "required", 1, "schema",
                                                     "type", "string", "minLength", 1));
        for (const struct route_param *p = r->params; p && p->name; p++)
                json_array_append_new(all, openapi_parameter(p));
        if (openapi_makes_jobs(r))
                json_array_append_new(
                        all, json_pack("{s:s, s:s, s:s, s:{s:s, s:i, s:i}}", "name", "Idempotency-Key", "in", "header",
                                       "description",
                                       "the same for each try of one request, such as a UUID: it makes no second job",
                                       "schema", "type", "string", "minLength", 1, "maxLength", 257));
        return all;
}

/* ---- bodies ---- */

static json_t *openapi_key(const struct input_key *key)
{
        json_t *schema =
                key->kind == INPUT_LIST ? json_pack("{s:s}", "type", "array") : json_pack("{s:s}", "type", "string");
        if (key->kind == INPUT_LIST)
                json_object_set_new(schema, "maxItems", json_integer((json_int_t)key->most));
        if (key->kind == INPUT_TEXT && key->most)
                json_object_set_new(schema, "maxLength", json_integer((json_int_t)key->most));
        if (key->kind == INPUT_LANG) {
                json_t *among = json_array();
                for (size_t i = 0; key->among && key->among[i]; i++)
                        json_array_append_new(among, json_string(key->among[i]));
                json_object_set_new(schema, "enum", among);
        }
        return schema;
}

/* What a pipeline takes. */
static json_t *openapi_input(const struct pipeline *p)
{
        json_t *properties = json_object(), *required = json_array();
        for (const struct input_key *key = p->input; key->name; key++) {
                json_object_set_new(properties, key->name, openapi_key(key));
                if (key->required)
                        json_array_append_new(required, json_string(key->name));
        }
        return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required", required,
                         "additionalProperties", 0);
}

static json_t *openapi_webhook(void)
{
        return json_pack("{s:s, s:s, s:s}", "type", "string", "format", "uri", "description",
                         "told when the job has ended, signed as Standard Webhooks has it");
}

/* {"pipeline", "input"}, one way for each pipeline. */
static json_t *openapi_job(const struct gateway *g)
{
        json_t *ways = json_array();
        for (const struct pipeline *const *p = catalog_pipelines(g->config.catalog); *p; p++) {
                json_t *properties =
                        json_pack("{s:{s:s}, s:o}", "pipeline", "const", (*p)->name, "input", openapi_input(*p));
                if (g->config.webhooks)
                        json_object_set_new(properties, "webhook", openapi_webhook());
                json_array_append_new(ways,
                                      json_pack("{s:s, s:o, s:[s, s], s:b}", "type", "object", "properties", properties,
                                                "required", "pipeline", "input", "additionalProperties", 0));
        }
        return json_pack("{s:o}", "oneOf", ways);
}

/* A form's files beside what the input has; the names of the keys are the same. */
static json_t *openapi_form(const struct route *r)
{
        const struct pipeline *p = (const struct pipeline *)r->subject;
        json_t *file = json_pack("{s:s, s:s}", "contentMediaType", "image/*", "description",
                                 "JPEG, PNG, WebP or GIF; what it tells besides the picture is removed");
        if (!p)
                return json_pack("{s:s, s:{s:o}, s:[s]}", "type", "object", "properties", "file", file, "required",
                                 "file");
        json_t *schema = openapi_input(p), *properties = json_object_get(schema, "properties");
        for (const struct input_key *key = p->input; key->name; key++)
                if (key->kind == INPUT_URL)
                        json_object_set(properties, key->name, file);
        json_decref(file);
        return schema;
}

static json_t *openapi_body_schema(const struct gateway *g, const struct route *r)
{
        json_t *schema = r->subject                  ? openapi_input((const struct pipeline *)r->subject)
                         : r->serve == send_any_task ? json_pack("{s:s}", "$ref", "#/components/schemas/Task")
                         : r->serve == letters_act   ? json_pack("{s:s}", "$ref", "#/components/schemas/Action")
                         : r->serve == submit_job    ? openapi_job(g)
                                                     : json_object();
        if (r->subject && g->config.webhooks)
                json_object_set_new(json_object_get(schema, "properties"), "webhook", openapi_webhook());
        return schema;
}

/* What a type's body is like. A sequence's items are described from 3.2 on alone. */
static json_t *openapi_content(const struct gateway *g, const struct route *r, const char *type, bool newer)
{
        if (strcmp(type, MULTIPART_TYPE) == 0)
                return json_pack("{s:o}", "schema", openapi_form(r));
        if (strcmp(type, BATCH_TYPE) == 0 && newer)
                return json_pack("{s:o}", "itemSchema", openapi_job(g));
        return json_pack("{s:o}", "schema", openapi_body_schema(g, r));
}

static json_t *openapi_body(const struct gateway *g, const struct route *r, bool newer)
{
        char type[ROUTE_TYPE_SIZE];
        const char *at = r->takes;
        json_t *content = json_object();
        while (route_next_type(&at, type))
                json_object_set_new(content, type, openapi_content(g, r, type, newer));
        return json_pack("{s:b, s:o}", "required", 1, "content", content);
}

static json_t *openapi_done(const struct route *r, bool newer)
{
        const bool streams = r->serve == stream_job, batch = r->serve == submit_batch;
        const bool submits = openapi_makes_jobs(r) && !batch;
        const char *known = submits                      ? "#/components/schemas/Submitted"
                            : r->serve == upload_picture ? "#/components/schemas/Blob"
                            : streams && newer           ? "#/components/schemas/Event"
                                                         : NULL;
        json_t *schema = known ? json_pack("{s:s}", "$ref", known) : json_object();
        return json_pack("{s:s, s:{s:{s:o}}}", "description", submits ? "It is safe" : "Done", "content",
                         streams                       ? "text/event-stream"
                         : r->serve == gateway_metrics ? "text/plain"
                         : batch                       ? BATCH_TYPE
                                                       : "application/json",
                         (streams || batch) && newer ? "itemSchema" : "schema", schema);
}

static json_t *openapi_answers(const struct route *r, bool newer)
{
        const char *status = r->serve == upload_picture                          ? "201"
                             : openapi_makes_jobs(r) && r->serve != submit_batch ? "202"
                                                                                 : "200";
        json_t *answers = json_pack("{s:o, s:{s:s, s:{s:{s:{s:s}}}}}", status, openapi_done(r, newer), "default",
                                    "description", "A problem, which says what to do", "content",
                                    "application/problem+json", "schema", "$ref", "#/components/schemas/Problem");
        /* libmicrohttpd answers by itself what is far too large */
        json_object_set_new(answers, "431",
                            json_pack("{s:s, s:{s:{s:{s:s}}, s:{s:{s:s}}}}", "description",
                                      "The request's line and headers are too large", "content",
                                      "application/problem+json", "schema", "$ref", "#/components/schemas/Problem",
                                      "text/html", "schema", "type", "string"));
        if (r->serve == stream_job)
                json_object_set_new(answers, "204",
                                    json_pack("{s:s}", "description", "The stream had come to its end"));
        return answers;
}

static void openapi_add(const struct gateway *g, json_t *paths, const struct route *r, bool newer)
{
        char method[16];
        json_t *path = json_object_get(paths, r->pattern);
        json_t *operation = json_pack("{s:s, s:o, s:o}", "summary", r->summary, "parameters", openapi_parameters(r),
                                      "responses", openapi_answers(r, newer));
        if (operation && r->needs && keys_asked(g->keys))
                json_object_set_new(operation, "security", json_pack("[{s:[]}]", "key"));
        if (operation && r->takes)
                json_object_set_new(operation, "requestBody", openapi_body(g, r, newer));
        if (!path) {
                path = json_object();
                json_object_set_new(paths, r->pattern, path);
        }
        snprintf(method, sizeof(method), "%s", r->method);
        for (char *c = method; *c; c++)
                *c = (char)(*c | 0x20);
        json_object_set_new(path, method, operation);
}

void describe(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        const bool newer = strstr(exchange_route(x)->pattern, "3.2") != NULL;
        json_t *paths = json_object();
        for (const struct route *r = g->routes; r->method; r++)
                if (r->summary) /* the console's files are no part of the interface */
                        openapi_add(g, paths, r, newer);
        JSON_OWNED json_t *all = json_pack(
                "{s:s, s:{s:s, s:s, s:s}, s:o, s:{s:o, s:{s:{s:s, s:s, s:s}}}}", "openapi", newer ? "3.2.0" : "3.1.0",
                "info", "title", "chard", "version", CHARD_VERSION, "summary",
                "Jobs of chained AI tasks: submitted, read, followed, cancelled", "paths", paths, "components",
                "schemas", json_loads(OPENAPI_SCHEMAS, 0, NULL), "securitySchemes", "key", "type", "http", "scheme",
                "bearer", "description",
                "a key as `chard key add` prints it, or a token of the OpenID Connect issuer that this gateway trusts; where it asks for one");
        exchange_answer_json(x, 200, all);
}
