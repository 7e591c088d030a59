/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that look at the process. conf.c has those about what it was started with. */
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
static json_t *stats_part(CURLU *url, CURLUPart which)
{
        char *text = NULL;
        if (curl_url_get(url, which, &text, CURLU_URLDECODE) != CURLUE_OK)
                return json_null();
        json_t *value = json_string(which == CURLUPART_PATH && *text == '/' ? text + 1 : text);
        curl_free(text);
        return value ? value : json_null();
}

CURLU *control_address(const char *urls)
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

/* The other addresses that are tried in turn, without their passwords. New reference. */
static json_t *stats_alternates(const char *urls)
{
        json_t *list = json_array();
        for (const char *at = strchr(urls, ','); at; at = strchr(at, ','))
                json_array_append_new(list, control_masked(++at));
        return list;
}

static json_t *broker_json(const struct worker_config *config)
{
        CURLU *url = control_address(config->broker_urls);
        if (!url)
                return json_object();
        char *port = NULL;
        const bool tls = strncmp(config->broker_urls, "amqps:", 6) == 0;
        const long number =
                curl_url_get(url, CURLUPART_PORT, &port, 0) == CURLUE_OK ? strtol(port, NULL, 10) : (tls ? 5671 : 5672);
        json_t *broker = json_pack(
                "{s:o, s:o, s:o, s:i, s:b, s:b, s:s, s:f, s:{}, s:s, s:n, s:f, s:s, s:o}", "hostname",
                stats_part(url, CURLUPART_HOST), "userid", stats_part(url, CURLUPART_USER), "virtual_host",
                stats_part(url, CURLUPART_PATH), "port", (int)number, "insist", 0, "ssl", (int)tls, "transport",
                tls ? "amqps" : "amqp", "connect_timeout", config->connect_timeout_ms / 1000.0, "transport_options",
                "login_method", "PLAIN", "uri_prefix", "heartbeat", (double)config->heartbeat_s, "failover_strategy",
                "round-robin", "alternates", stats_alternates(config->broker_urls));
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
        return json_pack("{s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "utime",
                         seconds_of(u.ru_utime), "stime", seconds_of(u.ru_stime), "maxrss", (json_int_t)u.ru_maxrss,
                         "ixrss", (json_int_t)u.ru_ixrss, "idrss", (json_int_t)u.ru_idrss, "isrss",
                         (json_int_t)u.ru_isrss, "minflt", (json_int_t)u.ru_minflt, "majflt", (json_int_t)u.ru_majflt,
                         "nswap", (json_int_t)u.ru_nswap, "inblock", (json_int_t)u.ru_inblock, "oublock",
                         (json_int_t)u.ru_oublock, "msgsnd", (json_int_t)u.ru_msgsnd, "msgrcv", (json_int_t)u.ru_msgrcv,
                         "nsignals", (json_int_t)u.ru_nsignals, "nvcsw", (json_int_t)u.ru_nvcsw, "nivcsw",
                         (json_int_t)u.ru_nivcsw);
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

/* How much memory it holds. New reference. */
static json_t *resident_json(const char *before, const char *after)
{
        char line[128] = "";
        FILE *file = fopen("/proc/self/statm", "re");
        if (file && !fgets(line, sizeof(line), file))
                line[0] = '\0';
        if (file)
                fclose(file);
        const char *resident = strchr(line, ' '); /* the second number */
        const unsigned long pages = resident ? strtoul(resident, NULL, 10) : 0;
        char shown[32];
        snprintf(shown, sizeof(shown), "%.2fMB", (double)pages * (double)sysconf(_SC_PAGESIZE) / 1048576);
        return json_sprintf("%s%s%s", before, shown, after);
}

json_t *inspect_memsample(struct control *c, const json_t *arguments)
{
        (void)c, (void)arguments;
        return resident_json("", "");
}

/* No samples are kept: it is said of now alone. */
json_t *inspect_memdump(struct control *c, const json_t *arguments)
{
        (void)c, (void)arguments;
        return resident_json("- rss (end): ", ".\n");
}

/* It draws Python's objects; a Python worker without the library says the same. */
json_t *inspect_objgraph(struct control *c, const json_t *arguments)
{
        (void)c, (void)arguments;
        return answer_error("ImportError('Requires the objgraph library')");
}
