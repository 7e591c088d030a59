/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http/route.h"

#include "core/clock.h"
#include "core/text/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Compare one segment; *pattern stands behind its '/' and is moved behind the segment. */
static bool route_fits_segment(const char **pattern, const char *segment)
{
        const size_t size = strcspn(*pattern, "/");
        const char *from = *pattern;
        *pattern += size;
        return *from == '{' ? *segment != '\0' : strlen(segment) == size && strncmp(from, segment, size) == 0;
}

static bool route_fits(const struct route *r, const struct target *t)
{
        const char *pattern = r->pattern;
        for (size_t i = 0; i < t->segment_count; i++) {
                if (*pattern++ != '/' || !route_fits_segment(&pattern, t->segments[i]))
                        return false;
        }
        return !*pattern || (t->segment_count == 0 && strcmp(pattern, "/") == 0);
}

const char *route_part(const struct route *r, const struct target *t, const char *name)
{
        const char *pattern = r->pattern;
        const size_t size = strlen(name);
        for (size_t i = 0; i < t->segment_count && *pattern; i++) {
                const char *from = ++pattern;
                pattern += strcspn(pattern, "/");
                if (*from == '{' && (size_t)(pattern - from) == size + 2 && strncmp(from + 1, name, size) == 0)
                        return t->segments[i];
        }
        return NULL;
}

static void route_allow(char allowed[ROUTE_METHODS_SIZE], const char *method)
{
        const size_t size = strlen(allowed);
        snprintf(allowed + size, ROUTE_METHODS_SIZE - size, "%s%s", size ? ", " : "", method);
}

const struct route *route_find(const struct route *routes, const char *method, const struct target *t,
                               char allowed[ROUTE_METHODS_SIZE], struct problem *why)
{
        const char *pattern = NULL; /* the first that fits: another one's methods are not this path's */
        allowed[0] = '\0';
        if (strcmp(method, "HEAD") == 0)
                method = "GET";
        for (const struct route *r = routes; r->method; r++) {
                if ((pattern && strcmp(pattern, r->pattern) != 0) || !route_fits(r, t))
                        continue;
                if (strcmp(r->method, method) == 0) {
                        allowed[0] = '\0';
                        return r;
                }
                pattern = r->pattern;
                route_allow(allowed, r->method);
        }
        if (allowed[0])
                problem_set(why, "request", "bad_method", "this path takes %s", allowed);
        else
                problem_set(why, "request", "not_found", "there is nothing at this path; see: /openapi.json");
        return NULL;
}

/* ---- bodies ---- */

bool route_next_type(const char **at, char out[ROUTE_TYPE_SIZE])
{
        *at += strspn(*at, ", ");
        const size_t size = strcspn(*at, ",");
        snprintf(out, ROUTE_TYPE_SIZE, "%.*s", (int)size, *at);
        *at += size;
        return size > 0;
}

bool route_takes(const struct route *r, const char *type)
{
        char one[ROUTE_TYPE_SIZE];
        const char *at = r->takes;
        while (route_next_type(&at, one)) {
                const size_t size = strlen(one);
                const bool any = one[size - 1] == '*';
                if (strncasecmp(type, one, any ? size - 1 : size) == 0 && (any || strchr("; \t", type[size])))
                        return true;
        }
        return false;
}

/* ---- parameters ---- */

static int route_unknown(const struct route *r, const char *name, struct problem *why)
{
        const char *names[TARGET_MOST_PAIRS];
        size_t count = 0;
        for (const struct route_param *p = r->params; p && p->name && count < TARGET_MOST_PAIRS; p++)
                names[count++] = p->name;
        const char *near = nearest_name(name, names, count);
        return problem_set(why, "request", "bad_parameter", "there is no parameter %.60s here%s%s%s", name,
                           near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static int route_check_value(const struct route_param *p, const char *value, struct problem *why)
{
        int64_t ignored;
        char *end = NULL;
        const long number = strtol(value, &end, 10);
        if (p->kind == ROUTE_NUMBER && (!*value || *end || number < p->least || number > p->most))
                return problem_set(why, "request", "bad_parameter", "%s must be a whole number from %ld to %ld",
                                   p->name, p->least, p->most);
        if (p->kind == ROUTE_TIME && clock_parse(value, &ignored))
                return problem_set(why, "request", "bad_parameter",
                                   "%s must be a time as ISO 8601 has it: 2026-11-21T08:42:22Z", p->name);
        if (p->kind == ROUTE_TEXT && !*value)
                return problem_set(why, "request", "bad_parameter", "%s must not be empty", p->name);
        return 0;
}

int route_check(const struct route *r, const struct target *t, struct problem *why)
{
        for (size_t i = 0; i < t->pair_count; i++) {
                const struct route_param *p = r->params;
                while (p && p->name && strcmp(p->name, t->pairs[i].name) != 0)
                        p++;
                if (!p || !p->name)
                        return route_unknown(r, t->pairs[i].name, why);
                if (route_check_value(p, t->pairs[i].value, why))
                        return 1;
        }
        return 0;
}

long route_number(const struct target *t, const char *name, long otherwise)
{
        const char *value = target_value(t, name);
        return value ? strtol(value, NULL, 10) : otherwise;
}

long long route_time(const struct target *t, const char *name)
{
        int64_t ms = 0;
        const char *value = target_value(t, name);
        if (value)
                clock_parse(value, &ms);
        return ms;
}
