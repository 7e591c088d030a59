/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dlq.h"

#include "core/utf8.h"

#include <stdio.h>
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
        for (size_t i = 0; i < size; i++)
                putchar((unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i]);
        for (size_t i = shown; pad && i < width; i++)
                putchar(' ');
}

size_t view_width(size_t otherwise)
{
        struct winsize size;
        if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 40)
                return size.ws_col;
        return otherwise;
}

void view_json(const json_t *value)
{
        json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
        putchar('\n');
}
