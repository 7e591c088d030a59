/* SPDX-License-Identifier: Apache-2.0 */
#include "results/redis/link.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int bad_url(struct problem *why, const char *what)
{
        return problem_set(why, "results", "bad_url", "the Redis result URL %s", what);
}

static char *part(CURLU *url, CURLUPart which)
{
        char *text = NULL, *copy = NULL;
        if (curl_url_get(url, which, &text, which == CURLUPART_PATH ? 0 : CURLU_URLDECODE) == CURLUE_OK && text &&
            *text)
                copy = strdup(text);
        curl_free(text);
        return copy;
}

static bool is_number(const char *text)
{
        while (isdigit((unsigned char)*text))
                text++;
        return *text == '\0';
}

/* The database: the path's number, or the query's virtual_host where the path is a socket. */
static int read_db(const char *text, struct redis_address *out, struct problem *why)
{
        if (!text || !*text)
                return 0;
        if (!is_number(text))
                return bad_url(why, "names a database that is no number");
        out->db = strdup(text);
        return out->db ? 0 : -ENOMEM;
}

static int read_network(CURLU *url, struct redis_address *out, struct problem *why)
{
        char *path = part(url, CURLUPART_PATH);
        out->host = part(url, CURLUPART_HOST);
        out->port = part(url, CURLUPART_PORT);
        if (!out->host)
                out->host = strdup("localhost");
        if (!out->port)
                out->port = strdup("6379");
        const size_t length = out->host ? strlen(out->host) : 0;
        if (length > 2 && out->host[0] == '[') { /* an IPv6 address */
                memmove(out->host, out->host + 1, length - 2);
                out->host[length - 2] = '\0';
        }
        int rc = out->host && out->port ? read_db(path ? path + 1 : NULL, out, why) : -ENOMEM;
        free(path);
        return rc;
}

static int read_socket(CURLU *url, struct redis_address *out, struct problem *why)
{
        static const char key[] = "virtual_host=";
        char *query = part(url, CURLUPART_QUERY);
        out->path = part(url, CURLUPART_PATH);
        int rc = out->path ? 0 : bad_url(why, "names no socket");
        if (rc == 0 && query && strncmp(query, key, sizeof(key) - 1) == 0)
                rc = read_db(query + sizeof(key) - 1, out, why);
        free(query);
        return rc;
}

int redis_address_read(const char *url, struct redis_address *out, struct problem *why)
{
        *out = (struct redis_address){ 0 };
        const bool socket = strncmp(url, "redis+socket:", strlen("redis+socket:")) == 0;
        CURLU *parsed = curl_url();
        if (!parsed)
                return -ENOMEM;
        /* An empty host is allowed here, though not in the URLs that curl itself speaks. */
        int rc = 0;
        const unsigned flags = CURLU_NON_SUPPORT_SCHEME | CURLU_NO_AUTHORITY;
        if (curl_url_set(parsed, CURLUPART_URL, url, flags) != CURLUE_OK)
                rc = bad_url(why, "can't be read; it looks like redis://:password@host:6379/0");
        if (rc == 0) {
                out->user = part(parsed, CURLUPART_USER);
                out->password = part(parsed, CURLUPART_PASSWORD);
                rc = socket ? read_socket(parsed, out, why) : read_network(parsed, out, why);
        }
        curl_url_cleanup(parsed);
        if (rc)
                redis_address_free(out);
        return rc;
}

void redis_address_free(struct redis_address *a)
{
        free(a->host);
        free(a->port);
        free(a->path);
        free(a->user);
        free(a->password);
        free(a->db);
        *a = (struct redis_address){ 0 };
}
