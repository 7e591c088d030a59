/* SPDX-License-Identifier: Apache-2.0 */
/* How long a provider asks us to wait, as its headers write it.
 * Sources: RFC 9110, 10.2.3 (Retry-After) and 5.6.7 (the three forms of an HTTP date); OpenAI guide "Rate limits". */
#include "ai/ai.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Nobody means more than a year; capping here keeps every later sum far from overflow. */
static const int64_t longest_ms = INT64_C(365) * 24 * 3600 * 1000;

static const char *const date_forms[] = {
        "%a, %d %b %Y %H:%M:%S GMT", /* Sun, 06 Nov 1994 08:49:37 GMT */
        "%A, %d-%b-%y %H:%M:%S GMT", /* Sunday, 06-Nov-94 08:49:37 GMT */
        "%a %b %e %H:%M:%S %Y",      /* Sun Nov  6 08:49:37 1994 */
};

struct unit {
        const char *name;
        double ms;
};

/* "ms" stands before "m" and "s" so that it is found first. */
static const struct unit units[] = {
        { "ns", 1e-6 }, { "us", 1e-3 }, { "\xc2\xb5s", 1e-3 }, { "ms", 1 },
        { "s", 1e3 },   { "m", 60e3 },  { "h", 3600e3 },       { "d", 86400e3 },
};

static int number_at(const char **at, double *out);
static int date_ms(const char *value, int64_t *out);
static double unit_at(const char **at);
static int64_t whole_ms(double ms);

int64_t ai_retry_after_ms(const char *value, int64_t now_ms)
{
        double seconds;
        int64_t date;
        if (!value)
                return -1;
        while (*value == ' ' || *value == '\t')
                value++;
        const char *at = value;
        if (number_at(&at, &seconds) == 0) {
                at += strspn(at, " \t");
                return *at == '\0' ? whole_ms(seconds * 1e3) : -1;
        }
        if (date_ms(value, &date) != 0)
                return -1;
        return date <= now_ms ? 0 : whole_ms((double)(date - now_ms));
}

int64_t ai_duration_ms(const char *value)
{
        double total = 0;
        if (!value || !*value)
                return -1;
        for (const char *at = value; *at;) {
                double amount;
                if (number_at(&at, &amount) != 0)
                        return -1;
                if (*at == '\0' && total <= 0) /* some gateways write bare seconds */
                        return whole_ms(amount * 1e3);
                const double ms = unit_at(&at);
                if (ms <= 0)
                        return -1;
                total += amount * ms;
        }
        return whole_ms(total);
}

/* Digits with an optional fraction; no sign, exponent, infinity or hexadecimal, which strtod would take. */
static int number_at(const char **at, double *out)
{
        double value = 0, scale = 1;
        const char *p = *at;
        if (!isdigit((unsigned char)*p))
                return 1;
        for (; isdigit((unsigned char)*p); p++)
                value = value * 10 + (*p - '0');
        if (*p == '.')
                for (p++; isdigit((unsigned char)*p); p++)
                        value += (*p - '0') * (scale /= 10);
        *at = p;
        *out = value;
        return 0;
}

static int date_ms(const char *value, int64_t *out)
{
        for (size_t i = 0; i < sizeof(date_forms) / sizeof(date_forms[0]); i++) {
                struct tm tm = { 0 };
                const char *end = strptime(value, date_forms[i], &tm);
                if (!end || end[strspn(end, " \t")] != '\0')
                        continue;
                *out = (int64_t)timegm(&tm) * 1000;
                return 0;
        }
        return 1;
}

/* The unit's length in milliseconds, or 0 when there is none. */
static double unit_at(const char **at)
{
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
                const size_t size = strlen(units[i].name);
                if (strncmp(*at, units[i].name, size) != 0)
                        continue;
                *at += size;
                return units[i].ms;
        }
        return 0;
}

/* Rounded up, so that nobody comes back a moment too early; the smallest excess is floating-point dust. */
static int64_t whole_ms(double ms)
{
        if (!(ms < (double)longest_ms))
                return longest_ms;
        const int64_t whole = (int64_t)ms;
        return ms - (double)whole > 1e-6 ? whole + 1 : whole;
}
