/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/address.h"

#include "core/text/url.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TOO_MANY "names more servers than it may: several sentinels, or one Redis"

static int bad_url(struct problem *why, const char *what)
{
        return problem_set(why, "results", "bad_url", "the Redis result URL %s", what);
}

static bool redis_address_begins(const char *url, const char *scheme)
{
        const size_t length = strlen(scheme);
        return strncasecmp(url, scheme, length) == 0 && url[length] == ':';
}

static bool is_number(const char *text)
{
        while (isdigit((unsigned char)*text))
                text++;
        return *text == '\0';
}

/* ---- the query: NAME=VALUE&… ---- */

static char **text_named(struct redis_address *a, const char *name)
{
        const struct {
                const char *name;
                char **text;
        } known[] = {
                { "virtual_host", &a->db },
                { "db", &a->db },
                { "username", &a->user },
                { "password", &a->password },
                { "master_name", &a->master },
                { "sentinel_username", &a->sentinel_user },
                { "sentinel_password", &a->sentinel_password },
                { "global_keyprefix", &a->prefix },
                { "ssl_ca_certs", &a->tls.ca_file },
                { "ssl_certfile", &a->tls.certificate_file },
                { "ssl_keyfile", &a->tls.key_file },
        };
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if (strcmp(known[i].name, name) == 0)
                        return known[i].text;
        return NULL;
}

/* What Python's client is told about its own connections and means nothing here. */
static bool is_clients_own(const char *name)
{
        static const char *const names[] = { "socket_timeout",   "socket_connect_timeout",
                                             "socket_keepalive", "retry_on_timeout",
                                             "max_connections",  "health_check_interval",
                                             "client_name",      "protocol" };
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (strcmp(names[i], name) == 0)
                        return true;
        return false;
}

static int read_certificates(const char *value, struct redis_address *out, struct problem *why)
{
        const char *word = strncasecmp(value, "CERT_", 5) == 0 ? value + 5 : value;
        out->tls.trust_any = strcasecmp(word, "none") == 0;
        if (out->tls.trust_any || strcasecmp(word, "required") == 0 || strcasecmp(word, "optional") == 0)
                return 0;
        return bad_url(why, "has an ssl_cert_reqs that is neither required, optional nor none");
}

static int read_yes(const char *value, bool *out, struct problem *why)
{
        static const char *const yes[] = { "true", "yes", "1", "on" }, *const no[] = { "false", "no", "0", "off" };
        for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
                if (strcasecmp(value, yes[i]) != 0 && strcasecmp(value, no[i]) != 0)
                        continue;
                *out = strcasecmp(value, yes[i]) == 0;
                return 0;
        }
        return bad_url(why, "has an ssl_check_hostname or sentinel_ssl that is neither true nor false");
}

static int read_parameter(const char *name, const char *value, struct redis_address *out, struct problem *why)
{
        bool check_name = true;
        int rc = 0;
        char **text = text_named(out, name);
        if (text) {
                free(*text);
                *text = *value ? strdup(value) : NULL;
                rc = *text || !*value ? 0 : -ENOMEM;
        } else if (strcmp(name, "ssl_cert_reqs") == 0) {
                rc = read_certificates(value, out, why);
        } else if (strcmp(name, "ssl_check_hostname") == 0) {
                rc = read_yes(value, &check_name, why);
                out->tls.any_name = !check_name;
        } else if (strcmp(name, "sentinel_ssl") == 0) {
                rc = read_yes(value, &out->sentinel_tls, why);
        } else if (!is_clients_own(name)) {
                rc = problem_set(why, "results", "bad_url", "the Redis result URL has an unknown parameter, %.60s",
                                 name);
        }
        if (strncmp(name, "ssl_", 4) == 0)
                out->tls.on = true;
        return rc;
}

static int read_query(char *query, struct redis_address *out, struct problem *why)
{
        int rc = 0;
        char *save;
        for (char *pair = query ? strtok_r(query, "&", &save) : NULL; pair && rc == 0;
             pair = strtok_r(NULL, "&", &save)) {
                char *equals = strchr(pair, '=');
                if (equals)
                        *equals = '\0';
                bool zero = false;
                char *value = url_decode(equals ? equals + 1 : "", equals ? strlen(equals + 1) : 0, NULL, &zero);
                rc = value ? read_parameter(pair, value, out, why) : zero ? bad_url(why, "has a %00") : -ENOMEM;
                free(value);
        }
        return rc;
}

/* ---- one server ---- */

/* Takes `text`; where there is none, a copy of `otherwise`. */
static char *text_or(char **text, const char *otherwise)
{
        char *taken = *text ? *text : strdup(otherwise);
        *text = NULL;
        return taken;
}

static int read_host(struct url *url, const char *otherwise_port, struct redis_address *out)
{
        struct redis_host *h = &out->hosts[out->host_count++];
        h->name = text_or(&url->host, "localhost");
        h->port = text_or(&url->port, otherwise_port);
        return h->name && h->port ? 0 : -ENOMEM;
}

/* User and password: of several servers, the first one's. */
static void read_login(struct url *url, struct redis_address *out)
{
        char **const texts[][2] = { { &out->user, &url->user }, { &out->password, &url->password } };
        for (size_t i = 0; i < 2; i++) {
                if (*texts[i][0])
                        continue;
                *texts[i][0] = *texts[i][1];
                *texts[i][1] = NULL;
        }
}

static int read_database(const struct url *url, struct redis_address *out)
{
        if (out->db || out->path || !url->path || !url->path[1])
                return 0;
        out->db = strdup(url->path + 1);
        return out->db ? 0 : -ENOMEM;
}

static int read_socket(struct url *url, struct redis_address *out, struct problem *why)
{
        if (out->path)
                return bad_url(why, TOO_MANY);
        out->path = url->path;
        url->path = NULL;
        return out->path && out->path[1] ? 0 : bad_url(why, "names no socket");
}

static int read_one(const char *text, struct redis_address *out, struct problem *why)
{
        struct url url;
        int rc = url_read(text, &url);
        if (rc)
                return rc < 0 ? rc : bad_url(why, "can't be read; it looks like redis://:password@host:6379/0");
        if (redis_address_begins(text, "redis+socket"))
                rc = read_socket(&url, out, why);
        else
                rc = read_host(&url, redis_address_begins(text, "sentinel") ? "26379" : "6379", out);
        if (rc == 0)
                rc = read_database(&url, out);
        if (rc == 0) {
                read_login(&url, out);
                rc = read_query(url.query, out, why);
        }
        url_free(&url);
        return rc;
}

/* ---- the whole ---- */

/* As Celery joins it to its keys. */
static int end_prefix(struct redis_address *a)
{
        const size_t length = a->prefix ? strlen(a->prefix) : 0;
        if (length == 0 || strchr(":_-.", a->prefix[length - 1]))
                return 0;
        char *longer = realloc(a->prefix, length + 2);
        if (!longer)
                return -ENOMEM;
        a->prefix = longer;
        longer[length] = '_';
        longer[length + 1] = '\0';
        return 0;
}

static int redis_address_judge(const char *url, struct redis_address *a, struct problem *why)
{
        const bool sentinels = redis_address_begins(url, "sentinel");
        if (redis_address_begins(url, "rediss"))
                a->tls.on = true;
        else if (a->tls.on && !sentinels)
                return bad_url(why, "has parameters of TLS: then it begins with rediss://");
        if (a->host_count == 0 && !a->path)
                return bad_url(why, "can't be read: it names no server");
        if (!sentinels && !redis_address_begins(url, "redis") && !redis_address_begins(url, "rediss") &&
            !redis_address_begins(url, "redis+socket"))
                return bad_url(why, "begins with none of redis://, rediss://, redis+socket:// and sentinel://");
        if ((!sentinels && a->host_count > 1) || (a->path && a->host_count > 0))
                return bad_url(why, TOO_MANY);
        if (a->db && !is_number(a->db))
                return bad_url(why, "names a database that is no number");
        if (sentinels && !a->master)
                return bad_url(why, "names sentinels, but not what they call the master: add ?master_name=NAME");
        if (!sentinels && a->master)
                return bad_url(why, "has a master_name: then it begins with sentinel://");
        if (a->sentinel_tls && !a->tls.on)
                return bad_url(why, "has sentinel_ssl, but no ssl_cert_reqs");
        return end_prefix(a);
}

int redis_address_read(const char *url, struct redis_address *out, struct problem *why)
{
        char *copy = strdup(url), *save;
        int rc = copy ? 0 : -ENOMEM;
        *out = (struct redis_address){ 0 };
        for (char *one = copy ? strtok_r(copy, ";", &save) : NULL; one && rc == 0; one = strtok_r(NULL, ";", &save)) {
                if (out->host_count == REDIS_MOST_HOSTS || (out->host_count && !redis_address_begins(one, "sentinel")))
                        rc = bad_url(why, "names more servers than it may: several sentinels, or one Redis");
                else
                        rc = read_one(one, out, why);
        }
        if (rc == 0)
                rc = redis_address_judge(url, out, why);
        free(copy);
        if (rc)
                redis_address_free(out);
        return rc;
}

void redis_address_free(struct redis_address *a)
{
        for (size_t i = 0; i < a->host_count; i++) {
                free(a->hosts[i].name);
                free(a->hosts[i].port);
        }
        free(a->path);
        free(a->user);
        free(a->password);
        free(a->db);
        free(a->master);
        free(a->sentinel_user);
        free(a->sentinel_password);
        free(a->prefix);
        free(a->tls.ca_file);
        free(a->tls.certificate_file);
        free(a->tls.key_file);
        *a = (struct redis_address){ 0 };
}
