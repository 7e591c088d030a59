/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common/database.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BROKER_URL "amqp://guest:guest@127.0.0.1:5672/"
#define STORE_URL  "postgresql://127.0.0.1:5432/chard"

/* ---- the files of this folder ---- */

static bool is_named_like_one(const char *name)
{
        static const char *const ends[] = { ".db", ".sqlite", ".sqlite3" };
        const size_t size = strlen(name);
        for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
                if (size > strlen(ends[i]) && strcmp(name + size - strlen(ends[i]), ends[i]) == 0)
                        return true;
        return false;
}

/* SQLite's header and, at byte 68, the application id that core/sqlite/open.c gives its files.
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

/* Does somebody have it open? Each broker on it holds a lock in FILE-lock: see broker/embedded. */
static bool is_in_use(const char *path)
{
        char lock[512];
        struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        snprintf(lock, sizeof(lock), "%s-lock", path);
        const int fd = open(lock, O_RDWR | O_CLOEXEC);
        const bool held = fd >= 0 && fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
        if (fd >= 0)
                close(fd);
        return held;
}

/* What was found in a folder. */
struct finding {
        char file[256];  /* the one to take, so far; "" = none */
        char other[256]; /* another one that is as good, or "" */
        int rank;
};

/* One that is in use before one that is called as usual, and that before any other. */
static void database_consider(struct finding *f, const char *name)
{
        const int rank = 1 + (strcmp(name, DATABASE_FILE) == 0) + 2 * is_in_use(name);
        if (rank < f->rank)
                return;
        snprintf(f->other, sizeof(f->other), "%s", rank == f->rank ? f->file : "");
        snprintf(f->file, sizeof(f->file), "%s", name);
        f->rank = rank;
}

/* The chard database of this folder; "" when there is none. */
static int database_find(char *out, size_t size, struct problem *why)
{
        struct finding f = { .rank = 0 };
        DIR *folder = opendir(".");
        for (const struct dirent *entry; folder && (entry = readdir(folder)) != NULL;)
                if (is_named_like_one(entry->d_name) && is_chards(entry->d_name))
                        database_consider(&f, entry->d_name);
        if (folder)
                closedir(folder);
        snprintf(out, size, "%s", f.file);
        if (!*f.other)
                return 0;
        return problem_set(why, "settings", "ambiguous",
                           "%s and %s are both chard databases of this folder: say which with "
                           "CHARD_BROKER_URL=embedded:FILE and CHARD_STORE_URL=sqlite:FILE",
                           f.other, f.file);
}

/* ---- settings ---- */

static int database_replace(char **setting, const char *scheme, const char *value)
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
                file = database_find(found, sizeof(found), &why) == 0 && *found ? found : DATABASE_FILE;
        const int code = database_replace(&s->broker_url, "embedded:", file);
        return code ? code : database_replace(&s->store_url, "sqlite:", file);
}

int database_choose(struct settings *s, unsigned *guessed, struct problem *why)
{
        char found[256] = "";
        *guessed = 0;
        if (!*s->broker_url && !*s->store_url) {
                const int code = database_find(found, sizeof(found), why);
                if (code || *found)
                        return code ? code : database_use(s, found);
        }
        *guessed = (*s->broker_url ? 0 : DATABASE_BROKER) | (*s->store_url ? 0 : DATABASE_STORE);
        int code = *s->broker_url ? 0 : database_replace(&s->broker_url, "", BROKER_URL);
        if (code == 0 && !*s->store_url)
                code = database_replace(&s->store_url, "", STORE_URL);
        return code;
}
