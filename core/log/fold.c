/* SPDX-License-Identifier: Apache-2.0 */
#include "core/log/fold.h"

#include <string.h>

static bool fold_is_over(const struct log_fold *f, const struct log_fold_kind *kind, uint64_t now_ms)
{
        return now_ms - kind->since_ms >= f->window_ms;
}

/* Its place, or a free one, or one that nobody needs; NULL when there is none. */
static struct log_fold_kind *fold_place(struct log_fold *f, const char *format, const char *where, uint64_t now_ms)
{
        struct log_fold_kind *spare = NULL;
        for (size_t i = 0; i < f->count; i++) {
                struct log_fold_kind *kind = &f->kinds[i];
                if (kind->format == format && strcmp(kind->where, where) == 0)
                        return kind;
                if (!spare && kind->held == 0 && fold_is_over(f, kind, now_ms))
                        spare = kind;
        }
        if (!spare && f->count < LOG_FOLD_KINDS)
                spare = &f->kinds[f->count++];
        if (spare)
                *spare = (struct log_fold_kind){ .format = format, .where = where, .since_ms = now_ms };
        return spare;
}

bool log_fold_takes(struct log_fold *f, const char *format, const char *where, int level, uint64_t now_ms)
{
        struct log_fold_kind *kind = f->burst ? fold_place(f, format, where, now_ms) : NULL;
        if (!kind)
                return true;
        if (kind->held == 0 && fold_is_over(f, kind, now_ms)) {
                kind->since_ms = now_ms;
                kind->written = 0;
        }
        kind->level = level;
        if (kind->written < f->burst) {
                kind->written++;
                return true;
        }
        kind->held++;
        return false;
}

bool log_fold_over(struct log_fold *f, uint64_t now_ms, bool all, struct log_fold_kind *out)
{
        for (size_t i = 0; i < f->count; i++) {
                struct log_fold_kind *kind = &f->kinds[i];
                if (kind->held == 0 || (!all && !fold_is_over(f, kind, now_ms)))
                        continue;
                *out = *kind;
                kind->since_ms = now_ms;
                kind->written = kind->held = 0;
                return true;
        }
        return false;
}
