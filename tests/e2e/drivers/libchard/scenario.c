/* SPDX-License-Identifier: Apache-2.0 */
/* Walks through libchard as a C program would, for the sanitizers: scenario BROKER REDIS QUEUE. A Celery worker with the tasks of
 * support/fleet.py consumes the queue. Prints "all well" and exits 0, or says what was not as it should be. */
#include <chard.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *queue;

static void must(int ok, const char *what, const struct chard_error *why)
{
        if (ok)
                return;
        printf("%s: %s %s\n", what, why->name, why->text);
        exit(1);
}

static struct chard_signature *add(const char *args)
{
        struct chard_error why = { 0 };
        struct chard_signature *s = chard_signature_new("py.add", args, NULL, &why);
        must(s && chard_signature_queue(s, queue, &why) == CHARD_OK, "add", &why);
        return s;
}

static void expect(struct chard *c, struct chard_signature *takes, const char *wanted)
{
        struct chard_error why = { 0 };
        struct chard_ids ids;
        char *result = NULL;
        must(takes && chard_apply(c, takes, 20000, &ids, &why) == CHARD_OK, "apply", &why);
        must(chard_wait(c, ids.id, 30000, &result, &why) == CHARD_OK, "wait", &why);
        must(strcmp(result, wanted) == 0, result, &why);
        chard_free(result);
        chard_forget(c, ids.id);
        chard_signature_free(takes);
}

static void canvases(struct chard *c)
{
        struct chard_error why = { 0 };
        struct chard_signature *chain[] = { add("[1, 2]"), add("[3]") };
        struct chard_signature *group[] = { add("[1, 2]"), add("[3, 4]") };
        struct chard_signature *header[] = { add("[1, 2]"), add("[3, 4]") };
        struct chard_signature *body = chard_signature_new("py.sum", NULL, NULL, &why);
        must(chard_signature_queue(body, queue, &why) == CHARD_OK, "queue", &why);
        expect(c, add("[1, 2]"), "3");
        expect(c, chard_chain(chain, 2, &why), "6");
        expect(c, chard_group(group, 2, &why), "[3,7]");
        expect(c, chard_chord(chard_group(header, 2, &why), body, &why), "10");
}

static struct chard_signature *sum(void)
{
        struct chard_error why = { 0 };
        struct chard_signature *s = chard_signature_new("py.sum", NULL, NULL, &why);
        must(s && chard_signature_queue(s, queue, &why) == CHARD_OK, "sum", &why);
        return s;
}

/* Groups after groups, within groups and as bodies; a chain that grows; what nests too deep is refused, and freed. */
static void nested(struct chard *c)
{
        struct chard_error why = { 0 };
        struct chard_signature *first[] = { add("[1, 2]"), add("[3, 4]") }, *second[] = { sum(), sum() };
        struct chard_signature *row[] = { chard_group(first, 2, &why), chard_group(second, 2, &why), sum() };
        struct chard_signature *third[] = { add("[1]"), add("[2]") };
        struct chard_signature *ends[] = { add("[0, 1]"), chard_group(third, 2, &why) };
        struct chard_signature *members[] = { chard_chain(ends, 2, &why), add("[5, 6]") };
        struct chard_signature *s = add("[0, 0]"), *deep = add("[1]");
        expect(c, chard_chain(row, 3, &why), "20");
        expect(c, chard_group(members, 2, &why), "[[2,3],11]");
        for (int i = 0; i < 100; i++) {
                struct chard_signature *two[] = { s, add("[1]") };
                s = chard_chain(two, 2, &why);
        }
        expect(c, s, "100");
        for (int i = 0; deep && i < 1000; i++)
                deep = chard_chord(deep, add("[1]"), &why);
        must(!deep && why.code == CHARD_UNSUPPORTED, "too deep", &why);
}

/* Every mistake that a caller can make is answered, and what was given away is freed. */
static void mistakes(struct chard *c)
{
        struct chard_error why = { 0 };
        struct chard_signature *parts[] = { add("[1]"), NULL, add("[2]") };
        struct chard_signature *s = add("[1]"), *group = chard_group(&s, 1, NULL);
        must(!chard_chain(parts, 3, &why) && why.code == CHARD_BAD_ARGUMENT, "a part is missing", &why);
        must(!chard_chain(NULL, 0, NULL), "an empty chain", &why);
        must(!chard_chord(NULL, add("[1]"), NULL) && !chard_chord(add("[1]"), NULL, NULL), "half a chord", &why);
        must(!chard_signature_new(NULL, NULL, NULL, &why), "no name", &why);
        must(!chard_signature_new("t", "[1", NULL, &why) && !chard_signature_new("t", "[]", "[]", &why), "bad JSON",
             &why);
        must(!chard_signature_new("\xff", NULL, NULL, &why), "no UTF-8", &why);
        must(chard_signature_queue(group, "q", &why) == CHARD_BAD_ARGUMENT, "a group's queue", &why);
        must(chard_signature_link(group, add("[1]"), &why) == CHARD_BAD_ARGUMENT, "a group's link", &why);
        must(chard_signature_option(group, "colour", "1", &why) == CHARD_BAD_ARGUMENT, "no option", &why);
        must(chard_apply(c, NULL, 0, NULL, &why) == CHARD_BAD_ARGUMENT, "nothing to send", &why);
        must(chard_wait(c, "", 0, NULL, &why) == CHARD_BAD_ARGUMENT, "no id", &why);
        must(chard_wait(c, "unheard", 10, NULL, &why) != CHARD_OK, "an unknown id", &why);
        chard_forget(c, "unheard");
        chard_signature_free(group);
        chard_signature_free(NULL);
        chard_free(NULL);
}

static pthread_barrier_t waiting;

static void *wait_for_ever(void *c)
{
        static int code;
        pthread_barrier_wait(&waiting);
        code = chard_wait((struct chard *)c, "never", -1, NULL, NULL);
        return &code;
}

/* A handle may be closed while another thread waits. */
static void close_under_a_waiter(struct chard *c)
{
        pthread_t thread;
        void *code;
        struct chard_error why = { 0 };
        struct chard_signature *s = chard_signature_new("py.add", NULL, NULL, &why);
        must(s && chard_signature_id(s, "never", &why) == CHARD_OK, "id", &why);
        must(chard_signature_route(s, "", queue, &why) == CHARD_OK, "route", &why);
        must(chard_signature_option(s, "countdown", "86400", &why) == CHARD_OK, "countdown", &why);
        must(chard_apply(c, s, 20000, NULL, &why) == CHARD_OK, "apply", &why);
        chard_signature_free(s);
        pthread_barrier_init(&waiting, NULL, 2);
        pthread_create(&thread, NULL, wait_for_ever, c);
        pthread_barrier_wait(&waiting);
        must(chard_wait(c, "never", 300, NULL, &why) == CHARD_TIMED_OUT, "time for the other thread to wait", &why);
        chard_close(c);
        pthread_join(thread, &code);
        must(*(int *)code == CHARD_UNCERTAIN, "closed", &why);
}

int main(int argc, char **argv)
{
        struct chard_options options = CHARD_OPTIONS_INIT;
        struct chard_error why = { 0 };
        struct chard *c = NULL;
        if (argc != 4)
                return 2;
        queue = argv[3];
        options.broker = argv[1];
        for (int i = 0; i < 2; i++) {
                options.results = i == 0 ? argv[2] : "rpc://";
                must(chard_open(&c, &options, &why) == CHARD_OK, "open", &why);
                if (i == 0) {
                        canvases(c);
                        nested(c);
                }
                mistakes(c);
                if (i == 1)
                        close_under_a_waiter(c);
                else
                        chard_close(c);
        }
        options.broker = "amqp://127.0.0.1:1/";
        must(chard_open(&c, &options, &why) == CHARD_UNREACHABLE && !c, "nobody there", &why);
        puts("all well");
        return 0;
}
