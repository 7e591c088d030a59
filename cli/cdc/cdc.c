/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cdc/cdc.h"

#include "core/text/nearest.h"

#include <stdio.h>
#include <string.h>

static const struct command *const cdc_verbs[] = { &command_cdc_check, &command_cdc_config, &command_cdc_backfill };

enum { CDC_VERBS = sizeof(cdc_verbs) / sizeof(cdc_verbs[0]) };

/* "check" of "cdc check". */
static const char *cdc_verb_name(const struct command *verb)
{
        return strchr(verb->name, ' ') + 1;
}

static void cdc_print_verbs(const struct command *self)
{
        printf("usage: chard %s %s\n\n%s.\n\n", self->name, self->usage, self->summary);
        for (size_t i = 0; i < CDC_VERBS; i++)
                printf("  %-8s %s\n", cdc_verb_name(cdc_verbs[i]), cdc_verbs[i]->summary);
        printf("\nEach has --help with an example.\n\nexample:\n%s\n", self->example);
}

static int cdc_command_run(const struct command *self, int argc, char **argv)
{
        const char *names[CDC_VERBS];
        if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
                cdc_print_verbs(self);
                return argc == 0 ? EXIT_USAGE : EXIT_DONE;
        }
        for (size_t i = 0; i < CDC_VERBS; i++) {
                names[i] = cdc_verb_name(cdc_verbs[i]);
                if (strcmp(names[i], argv[0]) == 0)
                        return cdc_verbs[i]->run(cdc_verbs[i], argc - 1, argv + 1);
        }
        char offer[NEAREST_OFFER_SIZE];
        return command_misuse(self, "unknown word \"%.60s\"%s", argv[0],
                              nearest_offer(offer, argv[0], names, CDC_VERBS, ""));
}

const struct command command_cdc = {
        .name = "cdc",
        .summary = "Look after what carries events to Kafka: Debezium's connector, its slot, its topics",
        .usage = "VERB …",
        .example = "  chard cdc config\n"
                   "  chard cdc check --connect-url http://connect:8083 --kafka-servers kafka:9092",
        .run = cdc_command_run,
};
