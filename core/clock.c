/* SPDX-License-Identifier: Apache-2.0 */
#include "core/clock.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *read_zone(const char *at, int *offset_minutes);

uint64_t clock_mono_us(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_mono_ms(void)
{
        return clock_mono_us() / 1000;
}

int64_t clock_wall_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void clock_format(int64_t wall_ms, char out[CLOCK_TEXT_SIZE])
{
        int64_t seconds = wall_ms / 1000, milli = wall_ms % 1000;
        if (milli < 0) {
                milli += 1000;
                seconds--;
        }
        struct tm tm;
        const time_t time = (time_t)seconds;
        gmtime_r(&time, &tm);
        size_t size = strftime(out, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(out + size, CLOCK_TEXT_SIZE - size, ".%03d+00:00", (int)milli);
}

/* Exactly `count` digits into *value; NULL when they are not there. */
static const char *read_digits(const char *at, int count, int *value)
{
        *value = 0;
        for (int i = 0; i < count; i++, at++) {
                if (!isdigit((unsigned char)*at))
                        return NULL;
                *value = *value * 10 + (*at - '0');
        }
        return at;
}

static const char *read_after(const char *at, char mark, int count, int *value)
{
        return at && *at == mark ? read_digits(at + 1, count, value) : NULL;
}

static const char *read_fraction(const char *at, int *milli)
{
        *milli = 0;
        if (*at != '.' && *at != ',')
                return at;
        int scale = 100;
        const char *first = ++at;
        for (; isdigit((unsigned char)*at); at++, scale /= 10)
                *milli += (*at - '0') * scale;
        return at == first ? NULL : at;
}

/* One digit more than `tm_year` can hold is refused before; the days of the month are checked by going there and back. */
static bool to_wall(struct tm *tm, int milli, int offset_minutes, int64_t *wall_ms)
{
        const struct tm asked = *tm;
        const time_t seconds = timegm(tm);
        if (tm->tm_mday != asked.tm_mday || tm->tm_mon != asked.tm_mon)
                return false;
        *wall_ms = ((int64_t)seconds - (int64_t)offset_minutes * 60) * 1000 + milli;
        return true;
}

int clock_parse(const char *text, int64_t *wall_ms)
{
        int year, month, day, hour, minute, second = 0, milli = 0, offset = 0;
        const char *at = read_digits(text, 4, &year);
        at = read_after(at, '-', 2, &month);
        at = read_after(at, '-', 2, &day);
        if (!at || (*at != 'T' && *at != 't' && *at != ' '))
                return 1;
        at = read_digits(at + 1, 2, &hour);
        at = read_after(at, ':', 2, &minute);
        if (at && *at == ':')
                at = read_after(at, ':', 2, &second);
        if (at)
                at = read_fraction(at, &milli);
        if (at)
                at = read_zone(at, &offset);
        if (!at || *at)
                return 1;
        if (year < 1 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
                return 1;
        struct tm tm = { .tm_year = year - 1900,
                         .tm_mon = month - 1,
                         .tm_mday = day,
                         .tm_hour = hour,
                         .tm_min = minute,
                         .tm_sec = second };
        return to_wall(&tm, milli, offset, wall_ms) ? 0 : 1;
}

static const char *read_zone(const char *at, int *offset_minutes)
{
        *offset_minutes = 0;
        if (*at == '\0')
                return at;
        if (*at == 'Z' || *at == 'z')
                return at + 1;
        if (*at != '+' && *at != '-')
                return NULL;
        const int sign = *at == '-' ? -1 : 1;
        int hours, minutes = 0;
        at = read_digits(at + 1, 2, &hours);
        if (at && *at)
                at = read_digits(*at == ':' ? at + 1 : at, 2, &minutes);
        if (!at || hours > 23 || minutes > 59)
                return NULL;
        *offset_minutes = sign * (hours * 60 + minutes);
        return at;
}
