/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common/command.h"

#include "pipelines/pipeline.h"
#include "store/store.h"

#include <stdio.h>

enum { MOST_VIEW_LISTS = 16 };

int command_migrate_store(const char *url, unsigned connect_timeout_ms, void (*said)(const char *line, void *arg),
                          struct problem *why)
{
        const struct fact_view *views[MOST_VIEW_LISTS];
        shipped_views(views, MOST_VIEW_LISTS);
        return store_migrate(
                &(struct store_migration){
                        .url = url, .connect_timeout_ms = connect_timeout_ms, .views = views, .said = said },
                why);
}

static void migrate_command_say(const char *line, void *arg)
{
        (void)arg;
        puts(line);
}

static int migrate_command_run(const struct command *self, int argc, char **argv)
{
        struct settings s;
        struct problem why = { 0 };
        int code;
        if (!command_load(self, NULL, &s, argc, argv, NULL, &code))
                return code;
        code = command_migrate_store(s.store_url, (unsigned)s.connect_timeout_ms, migrate_command_say, &why);
        if (code)
                code = command_fail(self, code, &why);
        settings_free(&s);
        return code;
}

const struct command command_migrate = {
        .name = "migrate",
        .summary = "Bring the store's schema to this version; safe to run twice and from two places at once",
        .usage = "[--store-url URL]",
        .example = "  chard migrate --store-url postgresql://chard@db.internal/chard",
        .run = migrate_command_run,
};
