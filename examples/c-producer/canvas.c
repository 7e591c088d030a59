/* SPDX-License-Identifier: Apache-2.0 */
/* A canvas: three sums side by side; two tasks side by side that each get the list of the sums; and what adds those two up.
 *
 *     canvas amqp://guest:guest@127.0.0.1/ redis://127.0.0.1/0
 *
 * It needs a worker for chard's own tasks for trials, which adds numbers and lists of them:
 *
 *     CHARD_RESULT_URL=redis://127.0.0.1/0 chard worker -Q chard.tasks
 *     cc -o canvas canvas.c $(pkg-config --cflags --libs libchard) */
#include <chard.h>

#include <stdio.h>

enum { CONFIRM_MS = 10000, RESULT_MS = 60000 };

/* Whoever makes something of others may be given NULL: it then fails too, and the first reason stays in `why`. */
static struct chard_signature *add(const char *args, struct chard_error *why)
{
        struct chard_signature *s = chard_signature_new("chard.add", args, NULL, why);
        if (s && chard_signature_queue(s, "chard.tasks", why) != CHARD_OK) {
                chard_signature_free(s);
                return NULL;
        }
        return s;
}

static struct chard_signature *canvas(struct chard_error *why)
{
        struct chard_signature *sums[] = { add("[1, 2]", why), add("[3, 4]", why), add("[5, 6]", why) };
        struct chard_signature *twice[] = { add("[21]", why), add("[21]", why) }; /* each gets the list of the sums */
        struct chard_signature *steps[] = { chard_group(sums, 3, why), chard_group(twice, 2, why), add("[]", why) };
        return chard_chain(steps, 3, why);
}

static int send_and_wait(struct chard *c, const struct chard_signature *s, struct chard_error *why)
{
        struct chard_ids ids;
        char *result = NULL;
        int code = chard_apply(c, s, CONFIRM_MS, &ids, why);
        if (code == CHARD_OK)
                code = chard_wait(c, ids.id, RESULT_MS, &result, why);
        if (code == CHARD_OK)
                printf("%s\n", result);
        else if (code == CHARD_TIMED_OUT)
                fprintf(stderr, "canvas: no answer yet; look again for %s\n", ids.id);
        chard_free(result);
        return code;
}

int main(int argc, char **argv)
{
        struct chard_options options = CHARD_OPTIONS_INIT;
        struct chard_error why = { 0 };
        struct chard *c = NULL;
        if (argc != 3) {
                fputs("usage: canvas BROKER REDIS\n", stderr);
                return 2;
        }
        options.broker = argv[1];
        options.results = argv[2];
        struct chard_signature *s = canvas(&why);
        const int code = s && chard_open(&c, &options, &why) == CHARD_OK ? send_and_wait(c, s, &why) : why.code;
        if (code != CHARD_OK)
                fprintf(stderr, "canvas: %s: %s\n", why.name, why.text);
        chard_signature_free(s);
        chard_close(c);
        return code == CHARD_OK ? 0 : 1;
}
