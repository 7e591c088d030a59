/* SPDX-License-Identifier: Apache-2.0 */
/* Settings that contradict one another: each alone is one that can be meant. */
#include "cli/doctor/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool begins_with(const char *text, const char *what)
{
        return strncmp(text, what, strlen(what)) == 0;
}

static bool names_tls(const char *urls)
{
        return strstr(urls, "amqps://") != NULL;
}

static bool lacks_key(const struct settings *s)
{
        return strcmp(s->ai_provider, "openai") == 0 && !*s->openai_api_key && !*s->openai_base_url;
}

static bool has_idle_key(const struct settings *s)
{
        return strcmp(s->ai_provider, "offline") == 0 && *s->openai_api_key;
}

static bool has_idle_ca(const struct settings *s)
{
        return *s->broker_ca_file && !names_tls(s->broker_url);
}

static bool has_plain_http2_over_tls(const struct settings *s)
{
        return s->ai_http2_plain && (!*s->openai_base_url || begins_with(s->openai_base_url, "https:"));
}

static bool has_file_and_server(const struct settings *s)
{
        return (doctor_file_of(s->broker_url) != NULL) != (doctor_file_of(s->store_url) != NULL);
}

static bool has_two_files(const struct settings *s)
{
        const char *broker = doctor_file_of(s->broker_url), *store = doctor_file_of(s->store_url);
        return broker && store && strcmp(broker, store) != 0;
}

static bool has_results_that_nobody_reads(const struct settings *s)
{
        return doctor_file_of(s->broker_url) && strstr(s->result_url, "redis");
}

static bool has_admin_of_a_file(const struct settings *s)
{
        return doctor_file_of(s->broker_url) && *s->broker_admin_url;
}

static bool loses_chords(const struct settings *s)
{
        return s->result_expires_s > 0 && s->chord_lost_ms >= s->result_expires_s * 1000;
}

static bool has_more_calls_than_sockets(const struct settings *s)
{
        return doctor_asks_provider(s) && s->slots > s->ai_connections;
}

static const char *port_of(const char *address)
{
        const char *colon = strrchr(address, ':');
        return colon ? colon + 1 : address;
}

static bool has_one_port_twice(const struct settings *s)
{
        return *s->metrics && strcmp(port_of(s->metrics), "0") != 0 &&
               strcmp(port_of(s->metrics), port_of(s->gateway_listen)) == 0;
}

static bool has_shape_without_webhook(const struct settings *s)
{
        return *s->dlq_webhook_shape && !*s->dlq_webhook_url;
}

static const struct contradiction {
        bool (*holds)(const struct settings *s);
        enum doctor_verdict verdict;
        const char *text, *advice;
} contradictions[] = {
        { lacks_key, DOCTOR_FAIL, "CHARD_AI_PROVIDER is openai, and there is neither a key nor another endpoint",
          "set OPENAI_API_KEY_FILE, or OPENAI_BASE_URL" },
        { has_idle_key, DOCTOR_WARN, "OPENAI_API_KEY is set, but CHARD_AI_PROVIDER is offline: nobody real is asked",
          "leave CHARD_AI_PROVIDER out" },
        { has_idle_ca, DOCTOR_WARN, "CHARD_BROKER_CA_FILE is set, but no address of the broker begins with amqps://",
          "use amqps://, or leave the file out" },
        { has_plain_http2_over_tls, DOCTOR_WARN,
          "CHARD_AI_HTTP2_PLAIN is yes, but the endpoint is reached by TLS, where HTTP/2 is agreed upon anyway",
          "leave it out" },
        { has_file_and_server, DOCTOR_WARN,
          "one of CHARD_BROKER_URL and CHARD_STORE_URL is a file, the other one a server: the file binds all to one host",
          "use servers for both, or one file for both" },
        { has_two_files, DOCTOR_WARN,
          "CHARD_BROKER_URL and CHARD_STORE_URL name two files: a backup of one lacks the other",
          "name the same file twice" },
        { has_results_that_nobody_reads, DOCTOR_WARN,
          "CHARD_RESULT_URL names Redis, but with the broker in a file no Celery client can connect",
          "leave CHARD_RESULT_URL out" },
        { has_admin_of_a_file, DOCTOR_WARN, "CHARD_BROKER_ADMIN_URL is set, but the broker is a file", "leave it out" },
        { loses_chords, DOCTOR_WARN,
          "CHARD_CHORD_LOST_MS is as long as CHARD_RESULT_EXPIRES_S: Redis forgets a chord before it counts as lost",
          "let results live longer" },
        { has_more_calls_than_sockets, DOCTOR_WARN,
          "CHARD_SLOTS is more than CHARD_AI_CONNECTIONS: without HTTP/2, calls wait for a socket",
          "raise CHARD_AI_CONNECTIONS, or lower CHARD_SLOTS" },
        { has_one_port_twice, DOCTOR_WARN,
          "CHARD_METRICS and CHARD_GATEWAY_LISTEN have one port: a gateway can't have both",
          "choose another port for CHARD_METRICS" },
        { has_shape_without_webhook, DOCTOR_WARN, "CHARD_DLQ_WEBHOOK_SHAPE is set, but no CHARD_DLQ_WEBHOOK_URL",
          "set CHARD_DLQ_WEBHOOK_URL_FILE" },
};

void doctor_judge_settings(struct doctor *d)
{
        bool found = false;
        for (size_t i = 0; i < sizeof(contradictions) / sizeof(contradictions[0]); i++) {
                const struct contradiction *c = &contradictions[i];
                if (c->holds(d->settings))
                        doctor_say(d, c->verdict, "settings", c->advice, "%s", c->text);
                found = found || c->holds(d->settings);
        }
        if (!found)
                doctor_say(d, DOCTOR_OK, "settings", "", "no two contradict one another");
}
