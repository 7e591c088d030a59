/* SPDX-License-Identifier: Apache-2.0 */
/* `chard cancel`: what has not ended of a job never will. */
#include "cli/jobs/client.h"

#include "core/json.h"

#include <stdio.h>
#include <string.h>

enum { CANCEL_ANSWER_MS = 15000 };

/* The job's own id, whatever id was given; an id that nothing has is taken for the one of a job that nobody has begun. */
static int cancel_find(struct jobs_client *c, const char *text, char id[JOBS_ID_SIZE])
{
        jobs_look(c->jobs, text, jobs_client_on_value, c);
        const int code = jobs_client_wait(c, CANCEL_ANSWER_MS);
        if (code)
                return code;
        if (json_is_array(c->value)) {
                fprintf(stderr, "chard cancel: several jobs have ids that begin with \"%.60s\"; see: chard job %.60s\n",
                        text, text);
                return EXIT_USAGE;
        }
        if (!c->value && strlen(text) < 32) {
                fprintf(stderr,
                        "chard cancel: no job \"%.60s\"; one that no worker has begun is named by its whole id\n",
                        text);
                return EXIT_FAILED;
        }
        snprintf(id, JOBS_ID_SIZE, "%s", json_text(c->value, "id", text));
        return 0;
}

static int cancel_job(struct jobs_client *c, const char *text, bool json)
{
        char id[JOBS_ID_SIZE];
        int code = cancel_find(c, text, id);
        if (code)
                return code;
        jobs_cancel(c->jobs, id, jobs_client_on_value, c);
        code = jobs_client_wait(c, CANCEL_ANSWER_MS);
        if (code)
                return code;
        const char *state = json_text(c->value, "state", "?");
        const bool ended = strcmp(state, "REVOKED") != 0;
        if (json)
                printf("{\"id\":\"%s\",\"state\":\"%s\",\"revoked\":%lld}\n", id, state,
                       (long long)json_number(c->value, "revoked", 0));
        else if (ended)
                printf("job %s had ended: %s\n", id, state);
        else
                printf("job %s is cancelled: %lld tasks revoked\n", id, (long long)json_number(c->value, "revoked", 0));
        return ended ? EXIT_FAILED : EXIT_DONE;
}

static int cancel_run(const struct command *self, int argc, char **argv)
{
        bool json = false;
        const struct own_flag own[] = { { "--json", 0, &json, NULL, NULL, "print {\"id\", \"state\", \"revoked\"}" },
                                        { 0 } };
        struct settings s;
        struct jobs_client c;
        int operands, code;
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        if (operands != 1) {
                code = command_misuse(self, "name one job by its id");
        } else {
                code = jobs_client_open(&c, self, &s, NULL, JOBS_STORE | JOBS_BROKER_OPTIONAL);
                if (code == 0)
                        code = cancel_job(&c, argv[0], json);
                jobs_client_close(&c);
        }
        settings_free(&s);
        return code;
}

const struct command command_cancel = {
        .name = "cancel",
        .summary =
                "Cancel a job: steps that wait are revoked, calls under way are stopped, nothing that runs takes effect; exit code 1 when it had ended",
        .usage = "ID [--json]",
        .example = "  chard cancel 0b2f0f0e-6d7e-4b55-a3c4-0d9a8f6c1d11",
        .run = cancel_run,
};
