/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a link: the socket, TLS, the login. */
#include "broker/amqp/connection/link.h"

#include "broker/amqp/connection/tls.h"
#include "core/clock.h"
#include "core/net/dial.h"

#include <errno.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FRAME_MAX    131072 /* RabbitMQ's default */
#define MIN_LOGIN_MS 200

static struct timeval timeval_of(unsigned ms)
{
        return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
}

static amqp_table_entry_t entry_text(const char *key, const char *text)
{
        return (amqp_table_entry_t){ .key = amqp_cstring_bytes(key),
                                     .value = { .kind = AMQP_FIELD_KIND_UTF8,
                                                .value.bytes = amqp_cstring_bytes(text) } };
}

static amqp_table_entry_t entry_yes(const char *key)
{
        return (amqp_table_entry_t){ .key = amqp_cstring_bytes(key),
                                     .value = { .kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1 } };
}

static amqp_table_entry_t entry_table(const char *key, amqp_table_entry_t *entries, size_t count)
{
        const amqp_table_t table = { .num_entries = (int)count, .entries = entries };
        return (amqp_table_entry_t){ .key = amqp_cstring_bytes(key),
                                     .value = { .kind = AMQP_FIELD_KIND_TABLE, .value.table = table } };
}

/* Log in. RabbitMQ sends basic.cancel and connection.blocked only to clients that announce that they understand them. */
static amqp_rpc_reply_t amqp_connect_login(struct amqp_link *l, const struct amqp_address *a)
{
        char name[256];
        snprintf(name, sizeof(name), "%s (%s)", l->config->name ? l->config->name : "chard", l->role);
        amqp_table_entry_t able[] = { entry_yes("consumer_cancel_notify"), entry_yes("connection.blocked"),
                                      entry_yes("publisher_confirms"), entry_yes("basic.nack"),
                                      entry_yes("per_consumer_qos") };
        amqp_table_entry_t about[] = {
                entry_text("product", "chard"),      entry_text("version", CHARD_VERSION),
                entry_text("information", ""),       entry_text("copyright", ""),
                entry_text("connection_name", name), entry_table("capabilities", able, sizeof(able) / sizeof(*able)),
        };
        const amqp_table_t properties = { .num_entries = sizeof(about) / sizeof(*about), .entries = about };
        return amqp_login_with_properties(l->conn, a->vhost, 0, FRAME_MAX, (int)l->config->heartbeat_s, &properties,
                                          AMQP_SASL_METHOD_PLAIN, a->user, a->password);
}

static int login_failed(struct amqp_link *l, const amqp_rpc_reply_t *reply)
{
        char text[200];
        if (reply->reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply->reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
                const amqp_connection_close_t *close = reply->reply.decoded;
                amqp_link_text(text, sizeof(text), close->reply_text);
                amqp_link_fail(l, "access_refused", "%s", text);
        } else if (reply->library_error == AMQP_STATUS_CONNECTION_CLOSED) {
                amqp_link_fail(l, "unreachable", "the connection was closed during the login");
        } else {
                amqp_link_fail(l, "unreachable", "login failed: %s", amqp_error_string2(reply->library_error));
        }
        return 1;
}

static const amqp_field_value_t *server_property(struct amqp_link *l, const char *key)
{
        const amqp_table_t *properties = amqp_get_server_properties(l->conn);
        for (int i = 0; i < properties->num_entries; i++) {
                const amqp_table_entry_t *e = &properties->entries[i];
                if (e->key.len == strlen(key) && memcmp(e->key.bytes, key, e->key.len) == 0 &&
                    (e->value.kind == AMQP_FIELD_KIND_UTF8 || e->value.kind == AMQP_FIELD_KIND_BYTES))
                        return &e->value;
        }
        return NULL;
}

static void meet_broker(struct amqp_link *l)
{
        char product[40] = "AMQP", version[40] = "";
        const amqp_field_value_t *found = server_property(l, "product");
        if (found)
                amqp_link_text(product, sizeof(product), found->value.bytes);
        found = server_property(l, "version");
        if (found)
                amqp_link_text(version, sizeof(version), found->value.bytes);
        l->broker_major = strcmp(product, "RabbitMQ") == 0 ? (unsigned)strtoul(version, NULL, 10) : 0;
        const size_t used = strlen(l->peer);
        snprintf(l->peer + used, sizeof(l->peer) - used, " (%s %s)", product, version);
}

/* Take over from rabbitmq-c: see the top of link.h. */
static void take_over(struct amqp_link *l)
{
        const struct timeval limit = timeval_of(l->config->connect_timeout_ms);
        l->frame_max = (size_t)amqp_get_frame_max(l->conn);
        l->heartbeat_ms = (uint64_t)amqp_get_heartbeat(l->conn) * 1000;
        amqp_tune_connection(l->conn, amqp_get_channel_max(l->conn), amqp_get_frame_max(l->conn), 0);
        amqp_set_rpc_timeout(l->conn, &limit);
        l->fd = amqp_get_sockfd(l->conn);
        l->sent_ms = l->received_ms = clock_mono_ms();
        meet_broker(l);
}

static int connect_failed(struct amqp_link *l, int status)
{
        if (l->verify_error != X509_V_OK)
                amqp_link_fail(l, "unreachable", "its TLS certificate is not accepted: %s",
                               X509_verify_cert_error_string(l->verify_error));
        else
                amqp_link_fail(l, "unreachable", "no connection: %s", amqp_error_string2(status));
        return 1;
}

static int dial_failed(struct amqp_link *l, int error, const struct dialled *d)
{
        amqp_link_fail(l, "unreachable",
                       error == -ECONNREFUSED ? "no connection: %s (nothing listens there)" : "no connection: %s",
                       d->why);
        return 1;
}

/* rabbitmq-c takes a connected socket for plain TCP. For TLS it must connect by itself, and is given the address that answers. */
static int connect_plain(struct amqp_link *l, const struct amqp_address *a, const char *port, unsigned timeout_ms)
{
        struct dialled d;
        amqp_socket_t *socket = amqp_tcp_socket_new(l->conn);
        const int rc = socket ? dial(a->host, port, timeout_ms, -1, &d) : 0;
        if (!socket)
                amqp_link_fail(l, "unreachable", "out of memory");
        else if (rc)
                dial_failed(l, rc, &d);
        else
                amqp_tcp_socket_set_sockfd(socket, d.fd);
        return !socket || rc ? 1 : 0;
}

static int connect_tls(struct amqp_link *l, const struct amqp_address *a, const char *port, unsigned timeout_ms)
{
        struct dialled d;
        const struct timeval limit = timeval_of(timeout_ms);
        amqp_socket_t *socket = tls_socket_new(l, a->host);
        const int rc = socket ? dial_choose(a->host, port, timeout_ms, -1, &d) : 0;
        if (!socket)
                return 1;
        if (rc)
                return dial_failed(l, rc, &d);
        const int status = amqp_socket_open_noblock(socket, d.address, a->port, &limit);
        return status == AMQP_STATUS_OK ? 0 : connect_failed(l, status);
}

static int connect_and_login(struct amqp_link *l, const struct amqp_address *a, unsigned timeout_ms)
{
        const uint64_t deadline = clock_mono_ms() + timeout_ms;
        char port[12];
        snprintf(port, sizeof(port), "%d", a->port);
        if ((a->tls ? connect_tls : connect_plain)(l, a, port, timeout_ms) != 0)
                return 1;
        const uint64_t now = clock_mono_ms();
        const struct timeval limit =
                timeval_of(now + MIN_LOGIN_MS < deadline ? (unsigned)(deadline - now) : MIN_LOGIN_MS);
        amqp_set_handshake_timeout(l->conn, &limit);
        const amqp_rpc_reply_t reply = amqp_connect_login(l, a);
        if (reply.reply_type != AMQP_RESPONSE_NORMAL)
                return login_failed(l, &reply);
        take_over(l);
        return 0;
}

int amqp_link_open(struct amqp_link *l, const struct amqp_address *a, unsigned timeout_ms)
{
        l->why = (struct problem){ .code = "" };
        l->verify_error = X509_V_OK;
        snprintf(l->peer, sizeof(l->peer), "%.80s:%d", a->host, a->port);
        l->conn = amqp_new_connection();
        if (!l->conn) {
                amqp_link_fail(l, "unreachable", "out of memory");
                return 1;
        }
        const int result = connect_and_login(l, a, timeout_ms);
        if (result)
                amqp_link_drop(l);
        return result;
}
