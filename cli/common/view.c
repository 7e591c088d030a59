/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common/view.h"

#include "core/json.h"
#include "core/text/print.h"
#include "core/text/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

const char *view_age(int64_t then_ms, int64_t now_ms, char out[32])
{
        const long long seconds = then_ms < now_ms ? (now_ms - then_ms) / 1000 : 0;
        if (seconds < 120)
                snprintf(out, 32, "%lld s", seconds);
        else if (seconds < 2LL * 3600)
                snprintf(out, 32, "%lld min", seconds / 60);
        else if (seconds < 48LL * 3600)
                snprintf(out, 32, "%lld h", seconds / 3600);
        else
                snprintf(out, 32, "%lld d", seconds / 86400);
        return out;
}

void view_text(const char *text, size_t width, bool pad)
{
        const size_t size = utf8_prefix(text, width), shown = utf8_count(text, size);
        char *prefix = strndup(text, size);
        view_plain(prefix ? prefix : "");
        free(prefix);
        for (size_t i = shown; pad && i < width; i++)
                putchar(' ');
}

size_t view_column(const json_t *rows, const char *key, const char *title)
{
        size_t width = strlen(title), i;
        json_t *row;
        json_array_foreach((json_t *)rows, i, row) {
                const char *text = json_text(row, key, "");
                const size_t characters = utf8_count(text, strlen(text));
                width = characters > width ? characters : width;
        }
        return width;
}

void view_plain(const char *text)
{
        print_plain(stdout, text);
}

size_t view_width(size_t otherwise)
{
        struct winsize size;
        if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 40)
                return size.ws_col;
        return otherwise;
}

/* They stand in strings only, and mean the same there when they are written as escapes. */
static int write_escaped(const char *text, size_t size, void *arg)
{
        FILE *out = (FILE *)arg;
        for (size_t i = 0; i < size; i++) {
                const unsigned char c = (unsigned char)text[i], next = i + 1 < size ? (unsigned char)text[i + 1] : 0;
                if (c == 0x7f)
                        fputs("\\u007f", out);
                else if (c == 0xc2 && next >= 0x80 && next < 0xa0)
                        fprintf(out, "\\u%04x", text[++i] & 0xff);
                else
                        putc(c, out);
        }
        return ferror(out) ? -1 : 0;
}

static void view_dump(const json_t *value, size_t flags)
{
        json_dump_callback(value, write_escaped, stdout, flags | JSON_ENCODE_ANY);
        putchar('\n');
}

void view_json(const json_t *value)
{
        view_dump(value, JSON_COMPACT);
}

void view_indented(const json_t *value)
{
        view_dump(value, JSON_INDENT(2));
}
