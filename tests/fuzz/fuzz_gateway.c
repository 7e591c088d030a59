/* SPDX-License-Identifier: Apache-2.0 */
/* The target of a request (an even first byte), or its Host and Origin, a line each (an odd one), and what else its headers say: whatever is taken is plain text, names no other
 * folder and finds the same route again; what is refused says why. */
#include "core/text/utf8.h"
#include "core/http/host.h"
#include "core/http/listen.h"
#include "core/http/request_key.h"
#include "gateway/api_key.h"
#include "core/http/route.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

static void check_plain(const char *text)
{
        size_t size;
        for (; *text; text += size)
                must(utf8_next(text, &size) && (unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void check_route(const struct target *t)
{
        static const struct route_param params[] = { { "wait", ROUTE_NUMBER, 0, 60, "" },
                                                     { "since", ROUTE_TIME, 0, 0, "" },
                                                     { "user", ROUTE_TEXT, 0, 0, "" },
                                                     { 0 } };
        static const struct route routes[] = { { .method = "GET", .pattern = "/v1/jobs", .params = params },
                                               { .method = "GET", .pattern = "/v1/jobs/{id}" },
                                               { 0 } };
        struct problem why = { 0 };
        char allowed[ROUTE_METHODS_SIZE];
        const struct route *r = route_find(routes, "GET", t, allowed, &why);
        must(!r == (why.code[0] != '\0'));
        if (r && route_check(r, t, &why) == 0) {
                const long wait = route_number(t, "wait", 0);
                must(wait >= 0 && wait <= 60);
        }
        must(r != &routes[1] || route_part(r, t, "id") == t->segments[2]);
}

static void read_target(const char *text)
{
        struct target t;
        struct problem why = { 0 };
        const int code = target_read(text, &t, &why);
        must(code == 0 || code == 1);
        must((code == 1) == (why.code[0] != '\0'));
        for (size_t i = 0; code == 0 && i < t.segment_count; i++) {
                check_plain(t.segments[i]);
                must((*t.segments[i] || (i > 0 && i + 1 == t.segment_count)) && strcmp(t.segments[i], ".") != 0 &&
                     strcmp(t.segments[i], "..") != 0);
        }
        for (size_t i = 0; code == 0 && i < t.pair_count; i++) {
                check_plain(t.pairs[i].name);
                check_plain(t.pairs[i].value);
                must(target_value(&t, t.pairs[i].name) == t.pairs[i].value);
        }
        if (code == 0)
                check_route(&t);
        check_plain(why.text);
        target_free(&t);
}

static void read_names(char *text)
{
        char address[64], port[8], *origin = strchr(text, '\n');
        if (origin)
                *origin++ = '\0';
        must(!host_is_ours(text, "") || host_is_ours(text, "*"));
        must(!host_is_listed(origin, text) || strstr(origin, "://"));
        must(!host_is_origin(text, origin) || !origin || strstr(origin, "://"));
        if (listen_parts(text, address, port))
                must(strtol(port, NULL, 10) >= 0 && strtol(port, NULL, 10) <= 65535);
        (void)host_is_loopback(text);
}

/* What is taken is taken again, written the other way. */
static void read_key(const char *text)
{
        char key[REQUEST_KEY_SIZE], quoted[2 * REQUEST_KEY_SIZE + 3], again[REQUEST_KEY_SIZE], *at = quoted;
        struct problem why = { 0 };
        const int code = request_key_read(text, key, &why);
        must((code == 1) == (why.code[0] != '\0') && (code == 0) == (key[0] != '\0'));
        check_plain(key);
        *at++ = '"';
        for (const char *c = key; *c; c++) {
                if (*c == '"' || *c == '\\')
                        *at++ = '\\';
                *at++ = *c;
        }
        memcpy(at, "\"", 2);
        must(code || (request_key_read(quoted, again, &why) == 0 && strcmp(key, again) == 0));
}

static void read_credential(const char *text)
{
        char key[API_KEY_SIZE], id[API_KEY_ID_SIZE], scopes[API_SCOPES_SIZE];
        struct problem why = { 0 };
        const int code = api_key_read(text, key, id, &why);
        must((code == 1) == (why.code[0] != '\0'));
        must(strlen(key) == (code ? 0 : API_KEY_SIZE - 1) && strlen(id) == (code ? 0 : API_KEY_ID_SIZE - 1));
        api_scopes_write(api_scopes_read(text), scopes);
        must(api_scopes_read(scopes) == api_scopes_read(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = size ? malloc(size) : NULL;
        if (!text)
                return 0;
        memcpy(text, data + 1, size - 1);
        text[size - 1] = '\0';
        read_key(text);
        read_credential(text);
        if (data[0] % 2 == 0)
                read_target(text);
        else
                read_names(text);
        free(text);
        return 0;
}
