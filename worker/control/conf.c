/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that look at what the worker was started with. */
#include "worker/control/control.h"

#include "core/json.h"

#include <curl/curl.h>
#include <string.h>

/* ---- addresses, as far as others may see them ---- */

json_t *control_masked(const char *urls)
{
        CURLU *url = control_address(urls);
        char *text = NULL, *password = NULL;
        if (!url)
                return json_string("********");
        if (curl_url_get(url, CURLUPART_PASSWORD, &password, 0) == CURLUE_OK)
                curl_url_set(url, CURLUPART_PASSWORD, "********", 0);
        curl_url_set(url, CURLUPART_QUERY, NULL, 0);
        curl_url_get(url, CURLUPART_URL, &text, CURLU_NON_SUPPORT_SCHEME);
        json_t *shown = json_string(text ? text : "********");
        curl_free(password);
        curl_free(text);
        curl_url_cleanup(url);
        return shown;
}

/* A result URL without its password and its query, and of several sentinels the first; curl reads neither of redis+socket:///…, rpc://. */
static void add_masked(const char *url, size_t length, struct buffer *out)
{
        const size_t bare = strcspn(url, "?;, ") < length ? strcspn(url, "?;, ") : length;
        const char *end = url + bare, *colons = strstr(url, "://");
        const char *user = colons && colons < end ? colons + 3 : url, *host = user;
        for (const char *at = user; at < end; at++)
                if (*at == '@')
                        host = at + 1;
        const char *password = memchr(user, ':', (size_t)(host - user));
        buffer_add(out, url, (size_t)((host == user ? user : password ? password + 1 : user) - url));
        buffer_add_string(out, host == user ? "" : "********@");
        buffer_add(out, host, (size_t)(end - host));
}

/* All of them, comma-separated. New reference. */
static json_t *masked_results(const char *urls)
{
        struct buffer shown = { 0 };
        for (const char *at = urls && *urls ? urls : "rpc://"; *at;) {
                const size_t length = strcspn(at, ", ");
                buffer_add_string(&shown, length && shown.size ? "," : "");
                add_masked(at, length, &shown);
                at += length + (at[length] ? 1 : 0);
        }
        json_t *text = shown.failed ? NULL : json_stringn((const char *)shown.data, shown.size);
        buffer_free(&shown);
        return text;
}

/* ---- the settings ---- */

static const char *text_or_empty(const char *text)
{
        return text ? text : "";
}

/* What it talks to; the provider's key is nobody's business. */
static json_t *connections_json(const struct worker *w)
{
        const struct worker_config *config = w->config;
        const struct ai_config *ai = &config->ai;
        return json_pack(
                "{s:o, s:s, s:o, s:o, s:i, s:b, s:b, s:b, s:s, s:o, s:s, s:s, s:i, s:b, s:b, s:s, s:s, s:s}",
                "broker_url", control_masked(config->broker_urls), "broker_ca_file",
                text_or_empty(config->broker_ca_file), "store_url", control_masked(config->store_url), "result_url",
                masked_results(config->result_urls), "result_expires_s", (int)config->result_expires_s,
                "declare_queues", (int)config->declare_queues, "native_delay", (int)config->native_delay,
                "track_started", (int)config->track_started, "ai_provider", worker_provider(w), "openai_base_url",
                *text_or_empty(ai->base_url) ? control_masked(ai->base_url) : json_string(""), "openai_model",
                text_or_empty(ai->model), "openai_vision_model", text_or_empty(ai->vision_model), "ai_connections",
                (int)ai->max_connections, "ai_http2_plain", (int)ai->http2_plain, "ai_baggage", (int)ai->baggage,
                "health_file", text_or_empty(config->health_file), "task_routes", text_or_empty(config->task_routes),
                "default_queue", text_or_empty(config->default_queue));
}

/* The plug-ins that it has loaded, as Celery lists the modules that it imports. New reference. */
static json_t *include_json(const char *files)
{
        json_t *list = json_array();
        for (const char *at = files; at && *at;) {
                const size_t length = strcspn(at, ",");
                if (length)
                        json_array_append_new(list, json_stringn(at, length));
                at += length + (at[length] ? 1 : 0);
        }
        return list;
}

/* The same by Celery's names, as far as they mean something here: what Flower and Celery's own clients look for. */
static void add_celery_names(const struct worker *w, json_t *all)
{
        const struct worker_config *config = w->config;
        json_t *results = json_object_get(all, "result_url"), *plug_ins = include_json(config->plug_ins);
        JSON_OWNED json_t *named = json_pack(
                "{s:O, s:i, s:f, s:[s], s:s, s:s, s:b, s:s, s:o, s:n, s:s, s:i, s:b, s:b, s:b, s:i, s:i, s:b, s:b, s:b, s:b}",
                "result_backend", results, "broker_heartbeat", (int)config->heartbeat_s, "broker_connection_timeout",
                config->connect_timeout_ms / 1000.0, "accept_content", "json", "task_serializer", "json",
                "result_serializer", "json", "enable_utc", 1, "timezone", "UTC", "include", plug_ins,
                "deprecated_settings", "task_default_queue", text_or_empty(config->default_queue), "result_expires",
                (int)config->result_expires_s, "task_track_started", (int)config->track_started, "task_acks_late", 1,
                "task_reject_on_worker_lost", 1, "worker_concurrency", (int)w->slots, "worker_prefetch_multiplier", 1,
                "worker_enable_remote_control", (int)config->remote_control, "worker_send_task_events",
                config->dispatcher && config->dispatcher->at_once, "worker_hijack_root_logger", 0, "worker_log_color",
                0);
        json_object_update(all, named);
}

json_t *inspect_conf(struct control *c, const json_t *arguments)
{
        (void)arguments;
        const struct worker *w = c->worker;
        const struct worker_config *config = w->config;
        const struct dispatcher *d = config->dispatcher;
        json_t *queues = json_array(), *all = connections_json(w);
        for (size_t i = 0; i < w->queue_count; i++)
                json_array_append_new(queues, json_string(w->queues[i]));
        JSON_OWNED json_t *own = json_pack(
                "{s:s, s:o, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:s, s:b}", "name", config->name, "queues",
                queues, "slots", (int)w->slots, "heartbeat_s", (int)config->heartbeat_s, "connect_timeout_ms",
                (int)config->connect_timeout_ms, "grace_ms", (int)config->grace_ms, "hold_ms", (int)config->hold_ms,
                "max_starts", (int)config->max_starts, "lease_slack_ms", (int)config->lease_slack_ms, "deadline_ms",
                (int)config->deadline_ms, "max_body_bytes", (json_int_t)config->max_body, "events",
                !d           ? "off"
                : d->at_once ? "on"
                             : "asked",
                "remote_control", (int)config->remote_control);
        json_object_update(all, own);
        add_celery_names(w, all);
        return all;
}

json_t *inspect_report(struct control *c, const json_t *arguments)
{
        (void)arguments;
        const struct worker *w = c->worker;
        JSON_OWNED json_t *broker = control_masked(w->config->broker_urls),
                          *store = control_masked(w->config->store_url);
        JSON_OWNED json_t *results = masked_results(w->config->result_urls);
        return answer_ok("\nsoftware -> chard:" CHARD_VERSION "\nworker -> %s, %u slots, %zu queues\nbroker -> %s\n"
                         "store -> %s\nresults:%s\nprovider -> %s\n",
                         w->config->name, w->slots, w->queue_count, json_string_value(broker), json_string_value(store),
                         results ? json_string_value(results) : "", worker_provider(w));
}
