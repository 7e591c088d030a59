/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that look at the process, and at what it was started with. */
#include "worker/control/control.h"

#include "core/clock.h"
#include "core/json.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- addresses, as far as others may see them ---- */

/* One part of a URL as JSON; null where it has none. */
static json_t *part(CURLU *url, CURLUPart which)
{
        char *text = NULL;
        if (curl_url_get(url, which, &text, CURLU_URLDECODE) != CURLUE_OK)
                return json_null();
        json_t *value = json_string(which == CURLUPART_PATH && *text == '/' ? text + 1 : text);
        curl_free(text);
        return value ? value : json_null();
}

/* The first of the addresses, taken apart; NULL when it is none. */
static CURLU *first_address(const char *urls)
{
        CURLU *url = curl_url();
        char *first = strndup(urls, strcspn(urls, ","));
        if (!url || !first || curl_url_set(url, CURLUPART_URL, first, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
                curl_url_cleanup(url);
                url = NULL;
        }
        free(first);
        return url;
}

/* The first address without its password, and without what may hold one. */
static json_t *masked(const char *urls)
{
        CURLU *url = first_address(urls);
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

static json_t *broker_json(const struct worker_config *config)
{
        CURLU *url = first_address(config->broker_urls);
        if (!url)
                return json_object();
        char *port = NULL;
        const bool tls = strncmp(config->broker_urls, "amqps:", 6) == 0;
        const long number =
                curl_url_get(url, CURLUPART_PORT, &port, 0) == CURLUE_OK ? strtol(port, NULL, 10) : (tls ? 5671 : 5672);
        json_t *broker =
                json_pack("{s:o, s:o, s:o, s:i, s:b, s:s, s:f, s:i}", "hostname", part(url, CURLUPART_HOST), "userid",
                          part(url, CURLUPART_USER), "virtual_host", part(url, CURLUPART_PATH), "port", (int)number,
                          "ssl", (int)tls, "transport", tls ? "amqps" : "amqp", "connect_timeout",
                          config->connect_timeout_ms / 1000.0, "heartbeat", (int)config->heartbeat_s);
        curl_free(port);
        curl_url_cleanup(url);
        return broker;
}

/* ---- the commands ---- */

static void stats_tell(struct observer *o, const struct run_event *e)
{
        struct control *c = (struct control *)((char *)o - offsetof(struct control, counting));
        if (!e->first)
                return;
        c->total++;
        for (size_t i = 0; i < c->tally_count; i++)
                if (c->tallies[i].def == e->def)
                        c->tallies[i].count++;
}

void stats_open(struct control *c)
{
        c->counting = (struct observer){ .kinds = RUN_BIT(RUN_CALLING), .tell = stats_tell };
        observing_add(&c->worker->observing, &c->counting);
}

static json_t *total_json(const struct control *c)
{
        json_t *total = json_object();
        for (size_t i = 0; i < c->tally_count; i++)
                if (c->tallies[i].count)
                        json_object_set_new(total, c->tallies[i].def->name,
                                            json_integer((json_int_t)c->tallies[i].count));
        return total;
}

static double seconds_of(struct timeval t)
{
        return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static json_t *usage_json(void)
{
        struct rusage u = { .ru_maxrss = 0 };
        getrusage(RUSAGE_SELF, &u);
        return json_pack("{s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "utime", seconds_of(u.ru_utime), "stime",
                         seconds_of(u.ru_stime), "maxrss", (json_int_t)u.ru_maxrss, "minflt", (json_int_t)u.ru_minflt,
                         "majflt", (json_int_t)u.ru_majflt, "inblock", (json_int_t)u.ru_inblock, "oublock",
                         (json_int_t)u.ru_oublock, "nvcsw", (json_int_t)u.ru_nvcsw, "nivcsw", (json_int_t)u.ru_nivcsw);
}

/* One process does the work of all; its slots are what a pool has of concurrency. */
static json_t *pool_json(const struct worker *w)
{
        return json_pack("{s:s, s:i, s:[i], s:s, s:b, s:[i, i]}", "implementation", "chard: one process, an event loop",
                         "max-concurrency", (int)w->slots, "processes", (int)getpid(), "max-tasks-per-child", "N/A",
                         "put-guarded-by-semaphore", 0, "timeouts", 0, 0);
}

json_t *inspect_stats(struct control *c, const json_t *arguments)
{
        (void)arguments;
        const struct worker *w = c->worker;
        char clock[24];
        snprintf(clock, sizeof(clock), "%llu", (unsigned long long)c->clock);
        return json_pack("{s:o, s:i, s:s, s:I, s:o, s:o, s:I, s:o}", "total", total_json(c), "pid", (int)getpid(),
                         "clock", clock, "uptime", (json_int_t)((clock_mono_ms() - c->began_ms) / 1000), "pool",
                         pool_json(w), "broker", broker_json(w->config), "prefetch_count",
                         (json_int_t)w->slots * (json_int_t)w->queue_count, "rusage", usage_json());
}

static const char *text_or_empty(const char *text)
{
        return text ? text : "";
}

/* What it talks to; the provider's key is nobody's business. */
static json_t *connections_json(const struct worker *w)
{
        const struct worker_config *config = w->config;
        const struct ai_config *ai = &config->ai;
        return json_pack("{s:o, s:s, s:o, s:o, s:i, s:b, s:b, s:s, s:o, s:s, s:s, s:i, s:b, s:s, s:s, s:s}",
                         "broker_url", masked(config->broker_urls), "broker_ca_file",
                         text_or_empty(config->broker_ca_file), "store_url", masked(config->store_url), "result_url",
                         masked_results(config->result_urls), "result_expires_s", (int)config->result_expires_s,
                         "declare_queues", (int)config->declare_queues, "track_started", (int)config->track_started,
                         "ai_provider", worker_provider(w), "openai_base_url",
                         *text_or_empty(ai->base_url) ? masked(ai->base_url) : json_string(""), "openai_model",
                         text_or_empty(ai->model), "openai_vision_model", text_or_empty(ai->vision_model),
                         "ai_connections", (int)ai->max_connections, "ai_http2_plain", (int)ai->http2_plain,
                         "health_file", text_or_empty(config->health_file), "task_routes",
                         text_or_empty(config->task_routes), "default_queue", text_or_empty(config->default_queue));
}

json_t *inspect_conf(struct control *c, const json_t *arguments)
{
        (void)arguments;
        const struct worker *w = c->worker;
        const struct worker_config *config = w->config;
        static const char *const says[] = { "asked", "on", "off" };
        json_t *queues = json_array(), *all = connections_json(w);
        for (size_t i = 0; i < w->queue_count; i++)
                json_array_append_new(queues, json_string(w->queues[i]));
        JSON_OWNED json_t *own = json_pack(
                "{s:s, s:o, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:s, s:b}", "name", config->name, "queues",
                queues, "slots", (int)w->slots, "heartbeat_s", (int)config->heartbeat_s, "connect_timeout_ms",
                (int)config->connect_timeout_ms, "grace_ms", (int)config->grace_ms, "hold_ms", (int)config->hold_ms,
                "max_starts", (int)config->max_starts, "lease_slack_ms", (int)config->lease_slack_ms, "deadline_ms",
                (int)config->deadline_ms, "max_body_bytes", (json_int_t)config->max_body, "events",
                says[config->events], "remote_control", (int)config->remote_control);
        json_object_update(all, own);
        return all;
}

json_t *inspect_report(struct control *c, const json_t *arguments)
{
        (void)arguments;
        const struct worker *w = c->worker;
        JSON_OWNED json_t *broker = masked(w->config->broker_urls), *store = masked(w->config->store_url);
        JSON_OWNED json_t *results = masked_results(w->config->result_urls);
        return answer_ok("\nsoftware -> chard:" CHARD_VERSION "\nworker -> %s, %u slots, %zu queues\nbroker -> %s\n"
                         "store -> %s\nresults:%s\nprovider -> %s\n",
                         w->config->name, w->slots, w->queue_count, json_string_value(broker), json_string_value(store),
                         results ? json_string_value(results) : "", worker_provider(w));
}

json_t *inspect_memsample(struct control *c, const json_t *arguments)
{
        (void)c, (void)arguments;
        char line[128] = "";
        FILE *file = fopen("/proc/self/statm", "re");
        if (file && !fgets(line, sizeof(line), file))
                line[0] = '\0';
        if (file)
                fclose(file);
        const char *resident = strchr(line, ' '); /* the second number */
        const unsigned long pages = resident ? strtoul(resident, NULL, 10) : 0;
        return json_sprintf("%.2fMB", (double)pages * (double)sysconf(_SC_PAGESIZE) / 1048576);
}
