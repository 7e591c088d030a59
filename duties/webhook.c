/* SPDX-License-Identifier: Apache-2.0 */
#include "duties/webhook.h"

#include "core/bytes.h"
#include "core/json.h"
#include "core/net/http_client.h"
#include "core/text/utf8.h"
#include "core/thread/work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 5000, MOST_CHARACTERS = 1900, SHOWN_GROUPS = 10 };

void webhook_setup(void)
{
        curl_global_init(CURL_GLOBAL_DEFAULT);
}

bool webhook_is_url(const char *url)
{
        CURLU *parsed = curl_url();
        char *scheme = NULL, *host = NULL;
        const bool ok = parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
                        curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK && *host &&
                        (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
        curl_free(scheme);
        curl_free(host);
        curl_url_cleanup(parsed);
        return ok;
}

/* ---- what is said ---- */

/* The first `most` characters of a letter's text, which a stranger may have written: no control characters, and for Slack nothing that begins
 * a mention or a link. */
static void webhook_say(struct buffer *b, const char *text, size_t most, bool slack)
{
        const char *const end = text + utf8_prefix(text, most);
        for (size_t size; text < end; text += size) {
                utf8_next(text, &size);
                const bool control = (unsigned char)*text < ' ' || *text == '\x7F' ||
                                     (*text == '\xC2' && (unsigned char)text[1] < 0xA0);
                if (control)
                        buffer_add_byte(b, ' ');
                else if (slack && strchr("&<>", *text))
                        buffer_add_string(b, *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : "&gt;");
                else
                        buffer_add(b, text, size);
        }
}

static void say_group(struct buffer *b, const json_t *g, bool slack)
{
        enum { LONGEST_NAME = 80, LONGEST_CAUSE = 120 };
        const long long count = json_number(g, "count", 0), before = json_number(g, "before", 0);
        const char *name = json_text(g, "name", "");
        buffer_add_string(b, "\n• ");
        webhook_say(b, *name ? name : json_text(g, "queue", "?"), LONGEST_NAME, slack);
        buffer_add_byte(b, ' ');
        webhook_say(b, json_text(g, "code", "?"), LONGEST_NAME, slack);
        buffer_addf(b, ": %lld %s", count, count == 1 ? "entry" : "entries");
        if (json_is_true(json_object_get(g, "new")))
                buffer_add_string(b, " (new)");
        else
                buffer_addf(b, " (%lld before)", before);
        buffer_add_string(b, " — ");
        webhook_say(b, json_text(g, "cause", ""), LONGEST_CAUSE, slack);
        buffer_add_string(b, " — chard dlq groups, group ");
        webhook_say(b, json_text(g, "group", "?"), LONGEST_NAME, slack);
}

static char *webhook_text_of(const json_t *groups, bool slack)
{
        struct buffer b = { 0 };
        size_t i;
        json_t *g;
        json_int_t all = 0;
        json_array_foreach(groups, i, g)
                all += json_number(g, "count", 0);
        buffer_addf(&b, "chard: dead letters, %lld in %zu %s that %s new or growing", (long long)all,
                    json_array_size(groups), json_array_size(groups) == 1 ? "group" : "groups",
                    json_array_size(groups) == 1 ? "is" : "are");
        json_array_foreach(groups, i, g)
                if (i < SHOWN_GROUPS)
                        say_group(&b, g, slack);
        if (json_array_size(groups) > SHOWN_GROUPS)
                buffer_addf(&b, "\n… and %zu more groups", json_array_size(groups) - SHOWN_GROUPS);
        buffer_add_byte(&b, '\0');
        if (b.failed) {
                buffer_free(&b);
                return NULL;
        }
        b.data[utf8_prefix((const char *)b.data, MOST_CHARACTERS)] = '\0';
        return (char *)b.data;
}

static bool is_discord(const char *shape, const char *url)
{
        return strcmp(shape, "discord") == 0 || (!*shape && strstr(url, "discord"));
}

/* Takes the text; NULL = memory ran out. */
static char *webhook_wrap(char *text, bool discord)
{
        json_t *body = !text     ? NULL
                       : discord ? json_pack("{s:s, s:{s:[]}}", "content", text, "allowed_mentions", "parse")
                                 : json_pack("{s:s}", "text", text);
        char *dumped = body ? json_dumps(body, JSON_COMPACT) : NULL;
        json_decref(body);
        free(text);
        return dumped;
}

char *webhook_body(const char *shape, const char *url, const json_t *groups)
{
        const bool discord = is_discord(shape, url);
        return webhook_wrap(webhook_text_of(groups, !discord), discord);
}

char *webhook_sentence(const char *shape, const char *url, const char *text)
{
        const bool discord = is_discord(shape, url);
        struct buffer b = { 0 };
        webhook_say(&b, text, MOST_CHARACTERS, !discord);
        buffer_add_byte(&b, '\0');
        if (!b.failed)
                return webhook_wrap((char *)b.data, discord);
        buffer_free(&b);
        return NULL;
}

/* ---- posting ---- */

static void webhook_judge(const struct http_said *said, struct webhook_result *out)
{
        out->ok = said->code == CURLE_OK && said->status >= 200 && said->status < 300;
        out->wait_ms = (said->retry_after_s < 3600 ? said->retry_after_s : 3600) * 1000;
        if (said->code != CURLE_OK)
                snprintf(out->why, sizeof(out->why), "%s", said->why);
        else if (!out->ok)
                snprintf(out->why, sizeof(out->why), "it answered %ld", said->status);
}

void webhook_post(const char *url, const char *body, struct webhook_result *out)
{
        const struct http_client_config config = { .whole_ms = TIMEOUT_MS, .most = SIZE_MAX, .by_proxy = true };
        struct http_client client;
        *out = (struct webhook_result){ 0 };
        if (http_client_open(&client, &config) < 0) {
                snprintf(out->why, sizeof(out->why), "out of memory");
        } else {
                const struct http_said said = http_client_exchange(
                        &client, "POST", url, &(struct http_body){ bytes_of_string(body), NULL }, NULL);
                webhook_judge(&said, out);
        }
        http_client_close(&client);
}

struct webhook_sending {
        char *url, *body;
        webhook_done *done;
        void *arg;
        struct webhook_result result;
};

static void sending_free(struct webhook_sending *s)
{
        free(s->url);
        free(s->body);
        free(s);
}

static void sending_run(void *arg)
{
        struct webhook_sending *s = (struct webhook_sending *)arg;
        webhook_post(s->url, s->body, &s->result);
}

static void sending_done(void *arg)
{
        struct webhook_sending *s = (struct webhook_sending *)arg;
        s->done(&s->result, s->arg);
        sending_free(s);
}

int webhook_send(uv_loop_t *loop, const char *url, char *body, webhook_done *done, void *arg)
{
        static const struct work_calls calls = { sending_run, sending_done, NULL };
        struct webhook_sending *s = calloc(1, sizeof(*s));
        if (!s) {
                free(body);
                return -ENOMEM;
        }
        *s = (struct webhook_sending){ .url = strdup(url), .body = body, .done = done, .arg = arg };
        const int result = s->url && s->body ? work_start(NULL, loop, &calls, s) : -ENOMEM;
        if (result != 0)
                sending_free(s);
        return result;
}
