/* SPDX-License-Identifier: Apache-2.0 */
/* One message to an incoming webhook. Sources: api.slack.com, "Sending messages using incoming webhooks" ({"text"}); Discord's developer
 * documentation, "Execute Webhook" ({"content"}, at most 2000 characters; "allowed_mentions"); what Slack takes for markup: "Formatting text for app
 * surfaces". */
#ifndef CHARD_DUTIES_WEBHOOK_H
#define CHARD_DUTIES_WEBHOOK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct webhook_result {
        bool ok;
        uint64_t wait_ms; /* what Retry-After asked for, or 0 */
        char why[256];    /* without the URL, which is a secret */
};

/* Once, before other threads use it. */
void webhook_setup(void);

/* Is it an address that can be posted to, http or https with a host? */
bool webhook_is_url(const char *url);

/* The JSON to post about groups (as dead_alarms gives them), in which nothing that a letter says is markup or calls anybody. `shape`: "slack", "discord", or "" = by the URL's host. Freed by the caller; NULL when memory ran out. */
char *webhook_body(const char *shape, const char *url, const json_t *groups);

/* The same for one sentence. */
char *webhook_sentence(const char *shape, const char *url, const char *text);

/* Post it. Blocks, up to five seconds; any thread. */
void webhook_post(const char *url, const char *body, struct webhook_result *out);

/* Post it from a thread of its own; `done` comes later, on the loop. Takes `body` (NULL = memory ran out), copies the URL. Returns 0; or -errno, and `done`
 * does not come. Loop thread. */
typedef void webhook_done(const struct webhook_result *result, void *arg);
int webhook_send(uv_loop_t *loop, const char *url, char *body, webhook_done *done, void *arg);

#endif
