/* SPDX-License-Identifier: Apache-2.0 */
#include "core/clock.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The years 1 … 9999, which is what Python and PostgreSQL read again from our text. */
static const int64_t FIRST_MS = -62135596800000, LAST_MS = 253402300799999;

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

int64_t clock_wall_us(void)
{
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
        return clock_wall_us() / 1000;
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
        /* strftime's %Y writes the year 1 as "1", not "0001". */
        size_t size = (size_t)snprintf(out, CLOCK_TEXT_SIZE, "%04d", tm.tm_year + 1900);
        size += strftime(out + size, CLOCK_TEXT_SIZE - size, "-%m-%dT%H:%M:%S", &tm);
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

static bool is_date(int year, int month, int day)
{
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        return year >= 1 && month >= 1 && month <= 12 && day >= 1 &&
               day <= days[month - 1] + (leap && month == 2 ? 1 : 0);
}

/* ":SS" and its fraction, or nothing. */
static const char *read_seconds(const char *at, int *second, int *milli)
{
        *second = *milli = 0;
        if (!at || *at != ':')
                return at;
        at = read_digits(at + 1, 2, second);
        return at ? read_fraction(at, milli) : NULL;
}

int clock_parse(const char *text, int64_t *wall_ms)
{
        int year, month, day, hour, minute, second, milli, offset;
        const char *at = read_digits(text, 4, &year);
        at = read_after(at, '-', 2, &month);
        at = read_after(at, '-', 2, &day);
        if (!at || (*at != 'T' && *at != 't' && *at != ' '))
                return 1;
        at = read_digits(at + 1, 2, &hour);
        at = read_after(at, ':', 2, &minute);
        at = read_seconds(at, &second, &milli);
        if (at)
                at = read_zone(at, &offset);
        if (!at || *at || !is_date(year, month, day) || hour > 23 || minute > 59 || second > 60)
                return 1;
        struct tm tm = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day };
        const int64_t minutes = (int64_t)timegm(&tm) / 60 + (int64_t)hour * 60 + minute - offset;
        const int64_t found = (minutes * 60 + second) * 1000 + milli;
        if (found < FIRST_MS || found > LAST_MS)
                return 1;
        *wall_ms = found;
        return 0;
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
