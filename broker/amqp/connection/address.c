/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/connection/address.h"

#include "core/text/url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A piece of the URL. */
struct span {
        const char *at;
        size_t size;
};

static struct span span_of(const char *from, const char *to)
{
        return (struct span){ from, (size_t)(to - from) };
}

/* Cut `s` at the first `c`: what follows goes to *rest. False, and nothing changed, when there is none. */
static bool amqp_address_cut(struct span *s, char c, struct span *rest)
{
        const char *found = memchr(s->at, c, s->size);
        if (!found)
                return false;
        *rest = span_of(found + 1, s->at + s->size);
        s->size = (size_t)(found - s->at);
        return true;
}

/* Decode into *out. Returns 0, 1 for a malformed escape or an encoded NUL, or -ENOMEM. */
static int amqp_address_decode(struct span s, char **out)
{
        bool malformed = false, zero = false;
        *out = url_decode(s.at, s.size, &malformed, &zero);
        return malformed || zero ? 1 : *out ? 0 : -ENOMEM;
}

static int amqp_address_bad_url(struct problem *why, size_t number, const char *what)
{
        return problem_set(why, "broker", "bad_url",
                           "broker URL %zu: %s; it reads amqp://USER:PASSWORD@HOST:PORT/VHOST", number, what);
}

static bool scheme_of(struct span *url, bool *tls)
{
        static const struct {
                const char *text;
                bool tls;
        } schemes[] = { { "amqp://", false }, { "amqps://", true } };
        for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
                const size_t size = strlen(schemes[i].text);
                if (url->size >= size && strncasecmp(url->at, schemes[i].text, size) == 0) {
                        *url = span_of(url->at + size, url->at + url->size);
                        *tls = schemes[i].tls;
                        return true;
                }
        }
        return false;
}

static bool port_of(struct span text, int *port)
{
        long number = 0;
        if (text.size == 0 || text.size > 5)
                return false;
        for (size_t i = 0; i < text.size; i++) {
                if (text.at[i] < '0' || text.at[i] > '9')
                        return false;
                number = number * 10 + (text.at[i] - '0');
        }
        *port = (int)number;
        return number >= 1 && number <= 65535;
}

/* "host", "host:port", "[v6]", "[v6]:port". */
static bool host_and_port(struct span *host, int *port)
{
        struct span rest = { "", 0 };
        if (host->size && host->at[0] == '[') {
                *host = span_of(host->at + 1, host->at + host->size);
                if (!amqp_address_cut(host, ']', &rest))
                        return false;
                if (rest.size == 0)
                        return true;
                return rest.at[0] == ':' && port_of(span_of(rest.at + 1, rest.at + rest.size), port);
        }
        return !amqp_address_cut(host, ':', &rest) || port_of(rest, port);
}

/* The user part may hold any '@' that was not encoded; the last one ends it, as browsers have it. */
static void cut_user(struct span *host, struct span *user)
{
        const char *at = memrchr(host->at, '@', host->size);
        if (!at)
                return;
        *user = span_of(host->at, at);
        *host = span_of(at + 1, host->at + host->size);
}

struct parts {
        struct span user, password, host, vhost;
};

static int decode_parts(struct address *a, const struct parts *p)
{
        const struct {
                struct span from;
                char **to;
        } texts[] = {
                { p->user, &a->user }, { p->password, &a->password }, { p->host, &a->host }, { p->vhost, &a->vhost }
        };
        for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
                const int result = amqp_address_decode(texts[i].from, texts[i].to);
                if (result)
                        return result;
        }
        return 0;
}

static int parse_one(struct address *a, struct span url, size_t number, struct problem *why)
{
        struct parts p = { .user = { "guest", 5 }, .password = { "guest", 5 }, .vhost = { "/", 1 } };
        struct span path = { "", 0 };
        if (!scheme_of(&url, &a->tls))
                return amqp_address_bad_url(why, number, "it starts with neither amqp:// nor amqps://");
        a->port = a->tls ? 5671 : 5672;
        p.host = url;
        amqp_address_cut(&p.host, '/', &path);
        if (path.size)
                p.vhost = path;
        struct span user = { "", 0 };
        cut_user(&p.host, &user);
        if (user.size) {
                p.user = user;
                if (!amqp_address_cut(&p.user, ':', &p.password))
                        p.password = (struct span){ "", 0 };
        }
        if (!host_and_port(&p.host, &a->port))
                return amqp_address_bad_url(why, number, "its port is no number from 1 to 65535");
        if (p.host.size == 0)
                p.host = (struct span){ "localhost", 9 };
        if (memchr(p.vhost.at, '?', p.vhost.size) || memchr(p.host.at, '?', p.host.size))
                return amqp_address_bad_url(why, number, "options after '?' are not understood");
        const int result = decode_parts(a, &p);
        return result > 0 ? amqp_address_bad_url(why, number, "a %XX in it is malformed") : result;
}

static struct span amqp_address_trimmed(struct span s)
{
        while (s.size && strchr(" \t\r\n", s.at[0]))
                s = span_of(s.at + 1, s.at + s.size);
        while (s.size && strchr(" \t\r\n", s.at[s.size - 1]))
                s.size--;
        return s;
}

int address_list_parse(struct address_list *out, const char *urls, struct problem *why)
{
        size_t most = 1;
        for (const char *c = urls; *c; c++)
                most += *c == ',' || *c == ';';
        *out = (struct address_list){ calloc(most, sizeof(*out->items)), 0 };
        int result = out->items ? 0 : -ENOMEM;
        for (const char *at = urls; !result && *at;) {
                const char *end = at + strcspn(at, ",;");
                const struct span url = amqp_address_trimmed(span_of(at, end));
                if (url.size) {
                        out->count++;
                        result = parse_one(&out->items[out->count - 1], url, out->count, why);
                }
                at = *end ? end + 1 : end;
        }
        if (!result && out->count == 0)
                result = problem_set(why, "broker", "bad_url", "no broker URL is given");
        if (result)
                address_list_free(out);
        return result;
}

void address_list_free(struct address_list *list)
{
        for (size_t i = 0; i < list->count; i++) {
                struct address *a = &list->items[i];
                if (a->password)
                        explicit_bzero(a->password, strlen(a->password));
                free(a->host);
                free(a->user);
                free(a->password);
                free(a->vhost);
        }
        free(list->items);
        *list = (struct address_list){ 0 };
}
