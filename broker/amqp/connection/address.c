/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/connection/address.h"

#include "core/text/hex.h"
#include "core/text/url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int amqp_address_bad_url(struct problem *why, size_t number, const char *what)
{
        return problem_set(why, "broker", "bad_url",
                           "broker URL %zu: %s; it reads amqp://USER:PASSWORD@HOST:PORT/VHOST", number, what);
}

static bool amqp_address_scheme(const char *url, bool *tls)
{
        *tls = strncasecmp(url, "amqps://", 8) == 0;
        return *tls || strncasecmp(url, "amqp://", 7) == 0;
}

/* The same with %XX for what only this kind of URL may hold as it is: it has no fragment, and a user or password may have any character but '/'. NULL
 * when memory ran out. */
static char *amqp_address_escaped(const char *url)
{
        const char *authority = strstr(url, "://") + 3;
        const char *at = memrchr(authority, '@', strcspn(authority, "/")), *user_end = at ? at : authority;
        char *escaped = malloc(3 * strlen(url) + 1), *to = escaped;
        for (const char *from = url; to && *from; from++) {
                const unsigned char c = (unsigned char)*from;
                if (c > ' ' && c != 0x7F && c != '#' && (c != '?' || from >= user_end)) {
                        *to++ = *from;
                        continue;
                }
                *to++ = '%';
                to = hex_write(to, &c, 1);
        }
        if (to)
                *to = '\0';
        return escaped;
}

/* Takes `text`; where there is none, a copy of `otherwise`. */
static char *amqp_address_text(char **text, const char *otherwise)
{
        char *taken = *text ? *text : strdup(otherwise);
        *text = NULL;
        return taken;
}

/* Without a user it is "guest". The path is decoded here: it was left as it was written. Returns 0, 1 for a malformed %XX, or -ENOMEM. */
static int amqp_address_take(struct amqp_address *a, struct url *u)
{
        const bool has_login = u->user || u->password, has_vhost = u->path && u->path[1];
        bool zero = false;
        a->host = amqp_address_text(&u->host, "localhost");
        a->user = amqp_address_text(&u->user, has_login ? "" : "guest");
        a->password = amqp_address_text(&u->password, has_login ? "" : "guest");
        a->vhost = has_vhost ? url_decode(u->path + 1, strlen(u->path + 1), &u->malformed, &zero) : strdup("/");
        a->port = u->port ? (int)strtol(u->port, NULL, 10) : a->tls ? 5671 : 5672;
        if (u->malformed || zero)
                return 1;
        return a->host && a->user && a->password && a->vhost ? 0 : -ENOMEM;
}

static int amqp_address_read(struct amqp_address *a, const char *escaped, bool empty_port, size_t number,
                             struct problem *why)
{
        struct url u = { 0 };
        int rc = url_read(escaped, &u);
        if (rc > 0 || (rc == 0 && empty_port))
                rc = amqp_address_bad_url(why, number,
                                          strstr(escaped, "%00") ? "a %00 in it stands for no character"
                                                                 : "its port is no number from 1 to 65535");
        else if (rc == 0 && strchr(escaped, '?'))
                rc = amqp_address_bad_url(why, number, "options after '?' are not understood");
        else if (rc == 0) {
                rc = amqp_address_take(a, &u);
                if (rc > 0)
                        rc = amqp_address_bad_url(why, number, "a %XX in it is malformed");
        }
        url_free(&u);
        return rc;
}

/* Gives back what held a password. */
static void amqp_address_wipe(char *text)
{
        if (text)
                explicit_bzero(text, strlen(text));
        free(text);
}

static int amqp_address_parse(struct amqp_address *a, const char *text, size_t number, struct problem *why)
{
        if (!amqp_address_scheme(text, &a->tls))
                return amqp_address_bad_url(why, number, "it starts with neither amqp:// nor amqps://");
        const char *authority = strstr(text, "://") + 3, *server_end = authority + strcspn(authority, "/");
        char *escaped = amqp_address_escaped(text);
        const int rc = escaped ? amqp_address_read(a, escaped, server_end[-1] == ':', number, why) : -ENOMEM;
        amqp_address_wipe(escaped);
        return rc;
}

static int amqp_address_parse_piece(struct amqp_address_list *out, const char *from, const char *end,
                                    struct problem *why)
{
        while (from < end && strchr(" \t\r\n", *from))
                from++;
        while (from < end && strchr(" \t\r\n", end[-1]))
                end--;
        if (from == end)
                return 0;
        char *text = strndup(from, (size_t)(end - from));
        out->count++;
        const int rc = text ? amqp_address_parse(&out->items[out->count - 1], text, out->count, why) : -ENOMEM;
        amqp_address_wipe(text);
        return rc;
}

int amqp_address_list_parse(struct amqp_address_list *out, const char *urls, struct problem *why)
{
        size_t most = 1;
        for (const char *c = urls; *c; c++)
                most += *c == ',' || *c == ';';
        *out = (struct amqp_address_list){ calloc(most, sizeof(*out->items)), 0 };
        int result = out->items ? 0 : -ENOMEM;
        for (const char *at = urls; !result && *at;) {
                const char *end = at + strcspn(at, ",;");
                result = amqp_address_parse_piece(out, at, end, why);
                at = *end ? end + 1 : end;
        }
        if (!result && out->count == 0)
                result = problem_set(why, "broker", "bad_url", "no broker URL is given");
        if (result)
                amqp_address_list_free(out);
        return result;
}

void amqp_address_list_free(struct amqp_address_list *list)
{
        for (size_t i = 0; i < list->count; i++) {
                struct amqp_address *a = &list->items[i];
                if (a->password)
                        explicit_bzero(a->password, strlen(a->password));
                free(a->host);
                free(a->user);
                free(a->password);
                free(a->vhost);
        }
        free(list->items);
        *list = (struct amqp_address_list){ 0 };
}
