/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dlq/dlq.h"

#include "core/text/nearest.h"

#include <stdio.h>
#include <string.h>

static const struct command *const verbs[] = {
        &command_dlq_ls,    &command_dlq_groups, &command_dlq_show,
        &command_dlq_edit,  &command_dlq_export, &command_dlq_import,
        &command_dlq_stats, &command_dlq_keep,   NULL,
};

/* "ls" of "dlq ls". */
static const char *verb_name(const struct command *verb)
{
        return strchr(verb->name, ' ') + 1;
}

static void print_verb(const char *name, const char *summary)
{
        printf("  %-8s %s\n", name, summary);
}

static void print_verbs(const struct command *self)
{
        printf("usage: chard %s %s\n\n%s.\n\n", self->name, self->usage, self->summary);
        for (size_t i = 0; verbs[i]; i++)
                print_verb(verb_name(verbs[i]), verbs[i]->summary);
        for (size_t i = 0; dlq_actions[i]; i++)
                print_verb(dlq_actions[i]->does.name, dlq_actions[i]->summary);
        printf("\nEach has --help with an example.\n\nexample:\n%s\n", self->example);
}

static int dlq_run(const struct command *self, int argc, char **argv)
{
        enum { MOST = 32 };
        const char *names[MOST];
        size_t count = 0;
        if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
                print_verbs(self);
                return argc == 0 ? EXIT_USAGE : EXIT_DONE;
        }
        for (; verbs[count]; count++) {
                names[count] = verb_name(verbs[count]);
                if (strcmp(names[count], argv[0]) == 0)
                        return verbs[count]->run(verbs[count], argc - 1, argv + 1);
        }
        if (dlq_action_named(argv[0]))
                return dlq_act(dlq_action_named(argv[0]), argc - 1, argv + 1);
        for (size_t i = 0; dlq_actions[i] && count < MOST; i++)
                names[count++] = dlq_actions[i]->does.name;
        char offer[NEAREST_OFFER_SIZE];
        return command_misuse(self, "unknown word \"%.60s\"%s", argv[0],
                              nearest_offer(offer, argv[0], names, count, ""));
}

const struct command command_dlq = {
        .name = "dlq",
        .summary = "See what died and why, and send it back, throw it away or change it",
        .usage = "VERB …",
        .example = "  chard dlq groups\n"
                   "  chard dlq ls --code timeout --since 2h\n"
                   "  chard dlq show 17\n"
                   "  chard dlq requeue --group 1f0c9a77b2e4 --rate 50/s --reason \"the provider is back\"",
        .run = dlq_run,
};
