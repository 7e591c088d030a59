/* SPDX-License-Identifier: Apache-2.0 */
/* The description of this interface, made from the table of routes and what the catalogue's pipelines take. Source: OpenAPI 3.1.0. */
#include "core/json.h"
#include "gateway/keys.h"
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
        "\"priority\":{\"type\":[\"integer\",\"null\"],\"minimum\":0,\"maximum\":255}}}"

#define OPENAPI_SCHEMAS                                                                                               \
        "{\"Problem\":{\"type\":\"object\",\"required\":[\"type\",\"title\",\"status\",\"detail\",\"code\"],"         \
        "\"properties\":{\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"                             \
        "\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},\"code\":{\"type\":\"string\"}}},"        \
        "\"Submitted\":{\"type\":\"object\",\"required\":[\"id\",\"state\",\"links\"],\"properties\":{"               \
        "\"id\":{\"type\":\"string\"},\"pipeline\":{\"type\":[\"string\",\"null\"]},\"state\":{\"type\":\"string\"}," \
        "\"links\":{\"type\":\"object\",\"properties\":{\"self\":{\"type\":\"string\"},"                              \
        "\"events\":{\"type\":\"string\"}}}}},\"Task\":" OPENAPI_TASK "}"

static json_t *openapi_parameter(const struct route_param *p)
{
        json_t *schema = p->kind == ROUTE_NUMBER ? json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum",
                                                             (json_int_t)p->least, "maximum", (json_int_t)p->most)
                         : p->kind == ROUTE_TIME ? json_pack("{s:s, s:s}", "type", "string", "format", "date-time")
                                                 : json_pack("{s:s, s:i}", "type", "string", "minLength", 1);
        return json_pack("{s:s, s:s, s:s, s:o}", "name", p->name, "in", "query", "description", p->help, "schema",
                         schema);
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
        if (r->takes) /* what takes a body makes jobs */
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

/* {"pipeline", "input"}, one way for each pipeline. */
static json_t *openapi_job(const struct gateway *g)
{
        json_t *ways = json_array();
        for (const struct pipeline *const *p = catalog_pipelines(g->config.catalog); *p; p++) {
                json_t *properties =
                        json_pack("{s:{s:s}, s:o}", "pipeline", "const", (*p)->name, "input", openapi_input(*p));
                if (g->config.webhooks)
                        json_object_set_new(
                                properties, "webhook",
                                json_pack("{s:s, s:s, s:s}", "type", "string", "format", "uri", "description",
                                          "told when the job has ended, signed as Standard Webhooks has it"));
                json_array_append_new(ways,
                                      json_pack("{s:s, s:o, s:[s, s], s:b}", "type", "object", "properties", properties,
                                                "required", "pipeline", "input", "additionalProperties", 0));
        }
        return json_pack("{s:o}", "oneOf", ways);
}

static json_t *openapi_body(const struct gateway *g, const struct route *r)
{
        json_t *schema = r->subject                  ? openapi_input((const struct pipeline *)r->subject)
                         : r->serve == send_any_task ? json_pack("{s:s}", "$ref", "#/components/schemas/Task")
                         : r->serve == submit_job    ? openapi_job(g)
                                                     : json_object();
        return json_pack("{s:b, s:{s:{s:o}}}", "required", 1, "content", r->takes, "schema", schema);
}

static json_t *openapi_answers(const struct route *r)
{
        const bool streams = r->serve == stream_job, submits = r->takes && strcmp(r->takes, "application/json") == 0;
        json_t *schema = submits ? json_pack("{s:s}", "$ref", "#/components/schemas/Submitted") : json_object();
        json_t *answers =
                json_pack("{s:{s:s, s:{s:{s:o}}}, s:{s:s, s:{s:{s:{s:s}}}}}", submits ? "202" : "200", "description",
                          submits ? "It is safe" : "Done", "content",
                          streams                       ? "text/event-stream"
                          : r->serve == gateway_metrics ? "text/plain"
                          : r->takes                    ? r->takes
                                                        : "application/json",
                          "schema", schema, "default", "description", "A problem, which says what to do", "content",
                          "application/problem+json", "schema", "$ref", "#/components/schemas/Problem");
        /* libmicrohttpd answers by itself what is far too large */
        json_object_set_new(answers, "431",
                            json_pack("{s:s, s:{s:{s:{s:s}}, s:{s:{s:s}}}}", "description",
                                      "The request's line and headers are too large", "content",
                                      "application/problem+json", "schema", "$ref", "#/components/schemas/Problem",
                                      "text/html", "schema", "type", "string"));
        if (streams)
                json_object_set_new(answers, "204",
                                    json_pack("{s:s}", "description", "The stream had come to its end"));
        return answers;
}

static void openapi_add(const struct gateway *g, json_t *paths, const struct route *r)
{
        char method[16];
        json_t *path = json_object_get(paths, r->pattern);
        json_t *operation = json_pack("{s:s, s:o, s:o}", "summary", r->summary, "parameters", openapi_parameters(r),
                                      "responses", openapi_answers(r));
        if (operation && r->needs && keys_asked(g->keys))
                json_object_set_new(operation, "security", json_pack("[{s:[]}]", "key"));
        if (operation && r->takes)
                json_object_set_new(operation, "requestBody", openapi_body(g, r));
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
        json_t *paths = json_object();
        for (const struct route *r = g->routes; r->method; r++)
                openapi_add(g, paths, r);
        JSON_OWNED json_t *all = json_pack("{s:s, s:{s:s, s:s, s:s}, s:o, s:{s:o, s:{s:{s:s, s:s, s:s}}}}", "openapi",
                                           "3.1.0", "info", "title", "chard", "version", CHARD_VERSION, "summary",
                                           "Jobs of chained AI tasks: submitted, read, followed, cancelled", "paths",
                                           paths, "components", "schemas", json_loads(OPENAPI_SCHEMAS, 0, NULL),
                                           "securitySchemes", "key", "type", "http", "scheme", "bearer", "description",
                                           "a key as `chard key add` prints it, where this gateway asks for one");
        exchange_answer_json(x, 200, all);
}
