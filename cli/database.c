/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/database.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BROKER_URL "amqp://guest:guest@127.0.0.1:5672/"
#define STORE_URL  "postgresql://127.0.0.1:5432/chard"

/* ---- the files of this folder ---- */

static bool ends_in_db(const char *name)
{
        const size_t size = strlen(name);
        return size > 3 && strcmp(name + size - 3, ".db") == 0;
}

/* SQLite's header and, at byte 68, the application id that core/sqlite_open.c gives its files.
 * Source: SQLite, "Database File Format", section 1.3. */
static bool is_chards(const char *path)
{
        static const char magic[16] = "SQLite format 3", id[4] = "CHRD";
        char header[72];
        FILE *file = fopen(path, "re");
        const bool whole = file && fread(header, sizeof(header), 1, file) == 1;
        if (file)
                fclose(file);
        return whole && memcmp(header, magic, sizeof(magic)) == 0 && memcmp(header + 68, id, sizeof(id)) == 0;
}

/* The one chard database here; "" when there is none. */
static int find(char *out, size_t size, struct problem *why)
{
        int code = 0;
        out[0] = '\0';
        if (access(DATABASE_FILE, F_OK) == 0) {
                snprintf(out, size, "%s", DATABASE_FILE);
                return 0;
        }
        DIR *folder = opendir(".");
        for (const struct dirent *entry; folder && code == 0 && (entry = readdir(folder)) != NULL;) {
                if (!ends_in_db(entry->d_name) || !is_chards(entry->d_name))
                        continue;
                if (*out)
                        code = problem_set(why, "settings", "ambiguous",
                                           "%s and %s are both chard databases of this folder: say which with "
                                           "CHARD_BROKER_URL=embedded:FILE and CHARD_STORE_URL=sqlite:FILE",
                                           out, entry->d_name);
                else
                        snprintf(out, size, "%s", entry->d_name);
        }
        if (folder)
                closedir(folder);
        return code;
}

/* ---- settings ---- */

static int replace(char **setting, const char *scheme, const char *value)
{
        char *text = NULL;
        if (asprintf(&text, "%s%s", scheme, value) < 0)
                return -ENOMEM;
        free(*setting);
        *setting = text;
        return 0;
}

int database_use(struct settings *s, const char *file)
{
        char found[256];
        struct problem why;
        if (!file)
                file = find(found, sizeof(found), &why) == 0 && *found ? found : DATABASE_FILE;
        const int code = replace(&s->broker_url, "embedded:", file);
        return code ? code : replace(&s->store_url, "sqlite:", file);
}

int database_choose(struct settings *s, struct problem *why)
{
        char found[256] = "";
        if (!*s->broker_url && !*s->store_url) {
                const int code = find(found, sizeof(found), why);
                if (code || *found)
                        return code ? code : database_use(s, found);
        }
        int code = *s->broker_url ? 0 : replace(&s->broker_url, "", BROKER_URL);
        if (code == 0 && !*s->store_url)
                code = replace(&s->store_url, "", STORE_URL);
        return code;
}
