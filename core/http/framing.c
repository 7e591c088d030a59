/* SPDX-License-Identifier: Apache-2.0 */
/* What must be in order before a body is read. Requests whose end two servers could see at different places are refused (request smuggling): libmicrohttpd takes some of them.
 * Sources: RFC 9112, 5.1, 6.1 to 6.3; RFC 9110, 5.6.2 (token). */
#include "core/http/host.h"
#include "core/http/server_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What a request's headers say of its length. */
struct framing {
        unsigned count, lengths, encodings, hosts, keys, credentials;
        const char *length, *encoding;
        bool bad_name, bad_value;
};

static bool framing_is_token(const char *name)
{
        static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        return *name && !name[strspn(name, token)];
}

static bool framing_is_value(const char *value)
{
        for (; *value; value++)
                if (((unsigned char)*value < 0x20 && *value != '\t') || *value == 0x7f)
                        return false;
        return true;
}

static enum MHD_Result on_framing_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
        struct framing *f = (struct framing *)arg;
        (void)kind;
        f->count++;
        f->bad_name = f->bad_name || !framing_is_token(name);
        f->bad_value = f->bad_value || (value && !framing_is_value(value));
        if (strcasecmp(name, "Content-Length") == 0) {
                f->lengths++;
                f->length = value;
        } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
                f->encodings++;
                f->encoding = value;
        } else if (strcasecmp(name, "Host") == 0) {
                f->hosts++;
        } else if (strcasecmp(name, "Idempotency-Key") == 0) {
                f->keys++;
        } else if (strcasecmp(name, "Authorization") == 0) {
                f->credentials++;
        }
        return MHD_YES;
}

static int framing_refuse(struct problem *why, const char *what)
{
        return problem_set(why, "request", "bad_framing", "%s", what);
}

static int framing_check_length(const struct framing *f, struct problem *why)
{
        if (f->bad_name || f->bad_value)
                return framing_refuse(why, "a header's name or value has characters that it may not have");
        if (f->lengths > 1 || f->encodings > 1 || (f->lengths && f->encodings))
                return framing_refuse(why, "the request says its length more than once");
        if (f->hosts != 1)
                return framing_refuse(why, "the request must name one host");
        if (f->keys > 1 || f->credentials > 1)
                return framing_refuse(
                        why, "the request has a header twice that stands once: Idempotency-Key, Authorization");
        if (f->encoding && strcasecmp(f->encoding, "chunked") != 0)
                return framing_refuse(why, "the only transfer coding that is understood is chunked");
        if (f->length && (!*f->length || f->length[strspn(f->length, "0123456789")] || strlen(f->length) > 15))
                return framing_refuse(why, "Content-Length must be a number");
        return 0;
}

/* Does it leave room for the answer? */
static int framing_check_size(const struct exchange *x, const struct framing *f, struct problem *why)
{
        const union MHD_ConnectionInfo *head =
                MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
        if (head && head->header_size + (size_t)f->count * SERVER_HEADER_NOTE <= SERVER_HEAD_BYTES)
                return 0;
        return problem_set(why, "request", "head_too_large",
                           "the request's line and headers may have %d bytes, %d for each header counted in",
                           SERVER_HEAD_BYTES, SERVER_HEADER_NOTE);
}

/* May its body be read? */
static int framing_check_body(const struct exchange *x, const struct framing *f, struct problem *why)
{
        const char *type = exchange_header(x, "Content-Type"), *coding = exchange_header(x, "Content-Encoding");
        const char *takes = x->route->takes;
        const size_t most = server_body_most(x);
        const bool has = f->encoding || (f->length && f->length[strspn(f->length, "0")]);
        if (has && !takes)
                return problem_set(why, "request", "bad_body", "this request takes no body");
        if (f->length && strtoull(f->length, NULL, 10) > most)
                return problem_set(why, "request", "too_large", "the body may have %zu bytes at most", most);
        if (coding && strcasecmp(coding, "identity") != 0)
                return problem_set(why, "request", "bad_coding", "bodies are taken as they are, not compressed");
        if (takes && (!type || !route_takes(x->route, type)))
                return problem_set(why, "request", "bad_type", "the body must be %s, and Content-Type must say so",
                                   takes);
        return 0;
}

/* Whom it is meant for, and from which page it comes. */
static int framing_check_host(const struct exchange *x, struct problem *why)
{
        const char *host = exchange_header(x, "Host");
        if (!host_is_ours(host, x->server->config.hosts))
                return problem_set(why, "request", "bad_host", "this server is not %.100s%s%s",
                                   host ? host : "without a name",
                                   x->server->config.hosts_setting ? "; names that it has besides its addresses: " : "",
                                   x->server->config.hosts_setting ? x->server->config.hosts_setting : "");
        const char *origin = exchange_header(x, "Origin");
        if (!host_is_origin(host, origin) && !host_is_listed(origin, x->server->config.origins))
                return problem_set(why, "request", "bad_origin",
                                   "pages of other origins may not send requests here%s%s",
                                   x->server->config.origins_setting ? "; those that may: " : "",
                                   x->server->config.origins_setting ? x->server->config.origins_setting : "");
        return 0;
}

int framing_check(const struct exchange *x, struct problem *why)
{
        struct framing f = { 0 };
        MHD_get_connection_values(x->connection, MHD_HEADER_KIND, on_framing_header, &f);
        if (framing_check_size(x, &f, why) || framing_check_length(&f, why) || framing_check_host(x, why))
                return 1;
        return x->route ? framing_check_body(x, &f, why) : 0;
}
