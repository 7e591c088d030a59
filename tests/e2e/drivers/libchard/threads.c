/* SPDX-License-Identifier: Apache-2.0 */
/* libchard on many threads, for ThreadSanitizer: threads BROKER RESULTS QUEUE. A Celery worker with the tasks of support/fleet.py consumes the queue.
 * Some threads share a handle, some have one of their own; the shared one is closed while a thread still waits. Prints "all well". */
#include <chard.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, ROUNDS = 5 };

static const char *broker, *results, *queue;

static void must(int ok, const char *what, const struct chard_error *why)
{
        if (ok)
                return;
        printf("%s: %s %s\n", what, why->name, why->text);
        exit(1);
}

static struct chard_signature *add(int a, int b)
{
        struct chard_error why = { 0 };
        char args[64];
        snprintf(args, sizeof(args), "[%d, %d]", a, b);
        struct chard_signature *s = chard_signature_new("py.add", args, NULL, &why);
        must(s && chard_signature_queue(s, queue, &why) == CHARD_OK, "add", &why);
        return s;
}

static struct chard *opened(void)
{
        struct chard_options options = CHARD_OPTIONS_INIT;
        struct chard_error why = { 0 };
        struct chard *c = NULL;
        options.broker = broker;
        options.results = results;
        must(chard_open(&c, &options, &why) == CHARD_OK, "open", &why);
        return c;
}

static void use(struct chard *c, int round)
{
        struct chard_error why = { 0 };
        struct chard_ids ids;
        struct chard_signature *members[] = { add(round, 1), add(round, 2) }, *s = chard_group(members, 2, &why);
        char *result = NULL, wanted[32];
        snprintf(wanted, sizeof(wanted), "[%d,%d]", round + 1, round + 2);
        must(chard_apply(c, s, 30000, &ids, &why) == CHARD_OK, "apply", &why);
        must(chard_wait(c, ids.id, 60000, &result, &why) == CHARD_OK && strcmp(result, wanted) == 0, "wait", &why);
        chard_free(result);
        chard_forget(c, ids.id);
        chard_signature_free(s);
}

static void *share(void *c)
{
        for (int i = 0; i < ROUNDS; i++)
                use((struct chard *)c, i);
        return NULL;
}

static void *alone(void *unused)
{
        struct chard *c = opened();
        (void)unused;
        for (int i = 0; i < ROUNDS; i++)
                use(c, i);
        chard_close(c);
        return NULL;
}

static const char awaited[] = "comes-after-a-day";

/* Something to wait for that does not come. */
static void send_late(struct chard *c)
{
        struct chard_error why = { 0 };
        struct chard_signature *s = add(1, 1);
        must(chard_signature_id(s, awaited, &why) == CHARD_OK, "id", &why);
        must(chard_signature_option(s, "countdown", "86400", &why) == CHARD_OK, "countdown", &why);
        must(chard_apply(c, s, 30000, NULL, &why) == CHARD_OK, "apply", &why);
        chard_signature_free(s);
}

static void *wait_on(void *c)
{
        static int code;
        code = chard_wait((struct chard *)c, awaited, -1, NULL, NULL);
        return &code;
}

int main(int argc, char **argv)
{
        pthread_t threads[2 * THREADS + 1];
        struct chard_error why = { 0 };
        void *code;
        if (argc != 4)
                return 2;
        broker = argv[1];
        results = argv[2];
        queue = argv[3];
        struct chard *shared = opened();
        send_late(shared);
        for (int i = 0; i < THREADS; i++) {
                pthread_create(&threads[2 * i], NULL, share, shared);
                pthread_create(&threads[2 * i + 1], NULL, alone, NULL);
        }
        pthread_create(&threads[2 * THREADS], NULL, wait_on, shared);
        for (int i = 0; i < 2 * THREADS; i++)
                pthread_join(threads[i], NULL);
        must(chard_wait(shared, awaited, 300, NULL, &why) == CHARD_TIMED_OUT, "time for the other to wait", &why);
        chard_close(shared);
        pthread_join(threads[2 * THREADS], &code);
        must(*(int *)code == CHARD_UNCERTAIN, "closed under a waiter", &why);
        puts("all well");
        return 0;
}
