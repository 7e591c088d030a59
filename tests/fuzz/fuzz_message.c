/* SPDX-License-Identifier: Apache-2.0 */
/* A delivery: two bytes with the length of the properties (big-endian), the properties, the body. Whatever is taken as a task must
 * also be one when it is published again, and so must all that follows it; whatever is not must still make a dead letter. */
#include "core/json.h"
#include "message/message.h"

#include <stdlib.h>

enum { LARGEST_BODY = 1 << 20 };

static const int64_t now_ms = 1800000000000;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

static const char *queue_of(const char *name, void *arg)
{
        (void)arg;
        return name[0] == 'u' ? NULL : "q";
}

/* What was decoded once is decoded again, as the same task. */
static void check_message(const struct message *m, const char *id, unsigned retries, struct arena *a)
{
        struct task_message t;
        struct problem why;
        must(task_message_decode(a, m->properties, m->body, SIZE_MAX / 4, &t, &why) == 0);
        must(!id || strcmp(t.id, id) == 0);
        must(!id || t.retries == retries);
        must(t.name && t.root_id);
        task_message_clear(&t);
}

static void check_again(const struct task_message *t, struct arena *a)
{
        struct message *m = task_message_again(t, "x", "k", t->retries);
        must(m != NULL);
        check_message(m, t->id, t->retries, a);
        message_free(m);
}

static bool wants_failure(const char *name, void *arg)
{
        (void)arg;
        return name[0] != 'a';
}

static void check_following(struct following *following, struct arena *a)
{
        for (struct message *m = following->messages; m; m = m->next)
                check_message(m, NULL, 0, a);
        following_clear(following);
}

static void check_followers(const struct task_message *t, struct arena *a)
{
        struct following following;
        struct problem why;
        const struct follow_how how = {
                .queue_of = queue_of, .now_ms = now_ms, .chords = true, .wants_failure = wants_failure
        };
        const struct failure_told told = { .exception = bytes_of_string("{}"), .traceback = "t", .worker = "w" };
        struct buffer result = { 0 };
        const int checked = task_message_check(t, &how, &why);
        const int rc = task_message_successors(t, bytes_of_string("{\"a\":1}"), &how, &following, &why);
        must(rc >= 0 && (rc == 0 || !following.messages));
        must(checked == rc || checked > 0 || strstr(why.text, "headers take") || strstr(why.text, "nests too deep") ||
             strstr(why.text, "groups one after") || strstr(why.text, "MiB"));
        check_following(&following, a);
        must(task_message_errbacks(t, &told, &how, &following, &why) >= 0);
        check_following(&following, a);
        if (t->chord) {
                must(task_message_joined(t, t->chord, bytes_of_string("[1,2]"), &how, &following, &why) >= 0);
                check_following(&following, a);
                must(task_message_unjoined(t, t->chord, &told, &how, &following, &why) >= 0);
                check_following(&following, a);
        }
        if (t->chord) {
                JSON_OWNED json_t *sends = json_pack("[{s:s, s:O}, {s:s, s:O}]", "as", "result", "canvas", t->chord,
                                                     "as", "replacement", "canvas", t->chord);
                must(task_message_sends(t, sends, &how, &result, &following, &why) >= 0);
                check_following(&following, a);
                buffer_free(&result);
        }
        json_decref(signatures_abandoned(t->chain));
}

static void check_dead(struct bytes properties, struct bytes body)
{
        const struct dead_record record = { "message", "bad_body", "text", now_ms, 1, NULL, NULL, NULL, NULL };
        struct properties p;
        struct header h;
        struct message *m = message_dead("q", properties, body, &record);
        must(m && properties_read(m->properties, &p, NULL) == 0);
        must(header_find(p.headers, "errorCode", &h));
        must(m->body.size == body.size);
        message_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct arena a = { 0 };
        struct task_message t;
        struct problem why = { 0 };
        const size_t wanted = size >= 2 ? (size_t)data[0] << 8 | data[1] : 0;
        const size_t left = size >= 2 ? size - 2 : 0;
        const struct bytes properties = bytes_of(data + (size >= 2 ? 2 : 0), wanted < left ? wanted : left);
        const struct bytes body = bytes_of(properties.data + properties.size, left - properties.size);
        const int rc = task_message_decode(&a, properties, body, LARGEST_BODY, &t, &why);
        must(rc >= 0 && (rc == 0 || (why.code[0] && why.text[0])));
        if (rc == 0) {
                check_again(&t, &a);
                check_followers(&t, &a);
        }
        check_dead(properties, body);
        task_message_clear(&t);
        arena_free(&a);
        return 0;
}
