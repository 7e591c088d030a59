/* SPDX-License-Identifier: Apache-2.0 */
/* Which form is wanted. Source: RFC 9110, 12.5.1 (Accept). */
#include "core/metrics/metrics.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OPENMETRICS_MEDIA  "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define PROMETHEUS_MEDIA   "text/plain; version=0.0.4; charset=utf-8"
#define OPENMETRICS_NAME   "application/openmetrics-text"
#define OPENMETRICS_NUMBER "1.0.0"

const char *metrics_media(enum metrics_form form)
{
        return form == METRICS_OPENMETRICS ? OPENMETRICS_MEDIA : PROMETHEUS_MEDIA;
}

/* A view of a part of the header, without the blanks around it. */
struct accept_part {
        const char *at;
        size_t size;
};

/* Take what stands before the mark, and go on behind it. False at the end. */
static bool accept_next(const char **at, const char *end, char mark, struct accept_part *out)
{
        if (*at >= end)
                return false;
        const char *from = *at, *upto = memchr(from, mark, (size_t)(end - from));
        *at = upto ? upto + 1 : end;
        if (!upto)
                upto = end;
        while (from < upto && (*from == ' ' || *from == '\t'))
                from++;
        while (upto > from && (upto[-1] == ' ' || upto[-1] == '\t'))
                upto--;
        *out = (struct accept_part){ from, (size_t)(upto - from) };
        return true;
}

static bool accept_is(struct accept_part p, const char *text)
{
        return p.size == strlen(text) && strncasecmp(p.at, text, p.size) == 0;
}

/* The value of a parameter, without quotes; empty where the part is another one. */
static struct accept_part accept_value(struct accept_part p, const char *name)
{
        const size_t size = strlen(name);
        if (p.size <= size || strncasecmp(p.at, name, size) != 0 || p.at[size] != '=')
                return (struct accept_part){ "", 0 };
        struct accept_part value = { p.at + size + 1, p.size - size - 1 };
        if (value.size >= 2 && value.at[0] == '"' && value.at[value.size - 1] == '"')
                value = (struct accept_part){ value.at + 1, value.size - 2 };
        return value;
}

static double accept_weight(struct accept_part value)
{
        char text[8];
        if (value.size >= sizeof(text))
                return 0;
        memcpy(text, value.at, value.size);
        text[value.size] = '\0';
        const double weight = strtod(text, NULL);
        return weight >= 0 && weight <= 1 ? weight : 0;
}

/* How much one media range wants either form. */
static void accept_range(const char *at, const char *end, double wants[2])
{
        struct accept_part name, part, version = { "", 0 };
        double weight = 1;
        if (!accept_next(&at, end, ';', &name))
                return;
        while (accept_next(&at, end, ';', &part)) {
                if (accept_value(part, "version").size)
                        version = accept_value(part, "version");
                if (accept_value(part, "q").size)
                        weight = accept_weight(accept_value(part, "q"));
        }
        const bool open =
                accept_is(name, OPENMETRICS_NAME) && (!version.size || accept_is(version, OPENMETRICS_NUMBER));
        const bool plain = accept_is(name, "text/plain") || accept_is(name, "text/*") || accept_is(name, "*/*");
        if (open && weight > wants[METRICS_OPENMETRICS])
                wants[METRICS_OPENMETRICS] = weight;
        if (plain && weight > wants[METRICS_PROMETHEUS])
                wants[METRICS_PROMETHEUS] = weight;
}

enum metrics_form metrics_form_for(const char *accept)
{
        double wants[2] = { 0, 0 };
        const char *at = accept ? accept : "", *end = at + strlen(at);
        struct accept_part range;
        while (accept_next(&at, end, ',', &range))
                accept_range(range.at, range.at + range.size, wants);
        return wants[METRICS_OPENMETRICS] > 0 && wants[METRICS_OPENMETRICS] >= wants[METRICS_PROMETHEUS]
                       ? METRICS_OPENMETRICS
                       : METRICS_PROMETHEUS;
}
