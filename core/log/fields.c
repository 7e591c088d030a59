/* SPDX-License-Identifier: Apache-2.0 */
#include "core/log/fields.h"

#include <stdio.h>
#include <string.h>

enum { FIELDS_FORMAT_SIZE = 256, FIELDS_TEXT_SIZE = 2048 };

/* How long the conversion is that stands alone there, 0 = none does; and whether it is a number's. */
static size_t fields_conversion(const char *at, bool *number)
{
        static const char *const kinds[] = { "%s", "%d", "%u", "%zu", "%lu" };
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                const size_t size = strlen(kinds[i]);
                *number = i > 0;
                if (strncmp(at, kinds[i], size) == 0 && (at[size] == ' ' || !at[size]))
                        return size;
        }
        return 0;
}

/* Where they are, by the format alone. */
static void fields_find(struct log_fields *out, const char *format)
{
        const char *at = format;
        for (out->count = 0; out->count < LOG_FIELDS; out->count++) {
                struct log_field *f = &out->all[out->count];
                const size_t name = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
                if (name == 0 || name >= sizeof(f->name) || at[name] != '=')
                        return;
                const size_t size = fields_conversion(at + name + 1, &f->number);
                if (size == 0)
                        return;
                snprintf(f->name, sizeof(f->name), "%.*s", (int)name, at);
                at += name + 1 + size;
                f->end = (size_t)(at - format);
                if (f->end >= FIELDS_FORMAT_SIZE)
                        return;
                at += *at == ' ';
        }
}

/* Each value is what the format up to its end adds to what it is up to its name. */
size_t log_fields_read(struct log_fields *out, const char *format, va_list args)
{
        char part[FIELDS_FORMAT_SIZE], text[FIELDS_TEXT_SIZE];
        size_t used = 0;
        fields_find(out, format);
        for (size_t i = 0; i < out->count; i++) {
                struct log_field *f = &out->all[i];
                va_list copy;
                snprintf(part, sizeof(part), "%.*s", (int)f->end, format);
                va_copy(copy, args);
                const int size = vsnprintf(text, sizeof(text), part, copy);
                va_end(copy);
                const size_t begin = used + strlen(f->name) + 1;
                if (size < (int)begin || size >= (int)sizeof(text)) {
                        out->count = i;
                        break;
                }
                f->was_cut = snprintf(f->value, sizeof(f->value), "%s", text + begin) >= (int)sizeof(f->value);
                used = (size_t)size + (format[f->end] == ' ');
        }
        return used;
}
