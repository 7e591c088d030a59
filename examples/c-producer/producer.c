/* SPDX-License-Identifier: Apache-2.0 */
/* Sends a task, or a chain of tasks, and waits for the result, where results come back:
 *
 *     producer BROKER RESULTS TASK[@QUEUE] [KWARGS [TASK[@QUEUE] ...]]
 *     producer amqp://guest:guest@127.0.0.1/ rpc:// text.count '{"text": "one two three"}' text.summary
 *     producer embedded:chard.db "" text.count '{"text": "one two three"}'       (without results: look with `chard job`)
 *
 *     cc -o producer producer.c $(pkg-config --cflags --libs libchard) */
#include <chard.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MOST_STEPS = 16, CONFIRM_MS = 10000, RESULT_MS = 60000 };

static int complain(const struct chard_error *why)
{
        fprintf(stderr, "producer: %s: %s\n", why->name, why->text);
        return 1;
}

/* "text.count@words": the task text.count on the queue words; without a queue it is the one of the task's name. */
static struct chard_signature *step(const char *word, const char *kwargs, struct chard_error *why)
{
        char task[256];
        const char *at = strchr(word, '@');
        snprintf(task, sizeof(task), "%.*s", at ? (int)(at - word) : (int)strlen(word), word);
        struct chard_signature *s = chard_signature_new(task, NULL, kwargs, why);
        if (s && chard_signature_queue(s, at ? at + 1 : task, why) != CHARD_OK) {
                chard_signature_free(s);
                return NULL;
        }
        return s;
}

static struct chard_signature *chain_of(int count, char **words, struct chard_error *why)
{
        struct chard_signature *parts[MOST_STEPS];
        size_t used = 0;
        for (int i = 0; i < count && used < MOST_STEPS; i++) {
                if (i == 1)
                        continue; /* the first task's arguments */
                parts[used++] = step(words[i], i == 0 && count > 1 ? words[1] : NULL, why);
        }
        return chard_chain(parts, used, why); /* takes them all, and fails when one is missing */
}

static int send_and_wait(struct chard *c, const struct chard_signature *chain, bool waits, struct chard_error *why)
{
        struct chard_ids ids;
        char *result = NULL;
        if (chard_apply(c, chain, CONFIRM_MS, &ids, why) != CHARD_OK)
                return complain(why);
        printf("job %s, its last task %s\n", ids.first, ids.id);
        if (!waits)
                return 0;
        const int code = chard_wait(c, ids.id, RESULT_MS, &result, why);
        if (code == CHARD_OK)
                printf("%s\n", result);
        chard_free(result);
        return code == CHARD_OK ? 0 : complain(why);
}

int main(int argc, char **argv)
{
        struct chard_options options = CHARD_OPTIONS_INIT;
        struct chard_error why = { 0 };
        struct chard *c = NULL;
        if (argc < 4) {
                fputs("usage: producer BROKER RESULTS TASK[@QUEUE] [KWARGS [TASK[@QUEUE] ...]]\n", stderr);
                return 2;
        }
        options.broker = argv[1];
        options.results = argv[2];
        struct chard_signature *chain = chain_of(argc - 3, argv + 3, &why);
        int status = 1;
        if (!chain || chard_open(&c, &options, &why) != CHARD_OK)
                complain(&why);
        else
                status = send_and_wait(c, chain, *options.results, &why);
        chard_signature_free(chain);
        chard_close(c);
        return status;
}
