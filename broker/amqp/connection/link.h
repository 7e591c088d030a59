/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to RabbitMQ. It belongs to one thread, which alternates between amqp_link_wait, amqp_link_read and amqp_link_flush.
 *
 * rabbitmq-c logs in, makes the few synchronous calls and decodes what comes in. What goes out afterwards is written here,
 * from a buffer and without ever blocking: rabbitmq-c blocks in send() while the broker reads nothing (memory alarm), and
 * needs a system call a frame. It must then write nothing by itself, so its heartbeats are off and sent from here. */
#ifndef CHARD_BROKER_AMQP_CONNECTION_LINK_H
#define CHARD_BROKER_AMQP_CONNECTION_LINK_H

#include "broker/amqp/connection/address.h"
#include "broker/amqp/connection/librabbitmq.h"
#include "core/bytes.h"
#include "core/problem.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

/* What every connection of a broker is opened with; shared by its threads, read only. */
struct amqp_link_config {
        struct amqp_address_list addresses;
        char *ca_file; /* or NULL: the system's authorities */
        char *name;    /* shown by the broker */
        unsigned heartbeat_s;
        unsigned connect_timeout_ms;
};

struct amqp_link {
        const struct amqp_link_config *config;
        const char *role;             /* "consume" or "publish": part of the name that the broker shows */
        amqp_connection_state_t conn; /* NULL while down */
        SSL *tls;                     /* rabbitmq-c's own, or NULL */
        const char *host;             /* of TLS: the name that the certificate must be for */
        long verify_error;            /* X509_V_*: why the peer's certificate was refused */
        int fd;
        size_t frame_max;
        unsigned broker_major; /* 3, 4; 0 when the broker does not say */
        char peer[128];        /* "host:port (RabbitMQ 3.10.8)", for people */
        struct buffer out;     /* frames to be written … */
        size_t written;        /* … of which this much has been */
        bool readable;
        uint64_t heartbeat_ms, sent_ms, received_ms; /* interval (0 = none), and when something last went and came */
        struct problem why;                          /* why it is down */
};

/* Connect to one address and log in; waits up to `timeout_ms`. Returns 0; or 1 with l->why
 * (code "unreachable" or "access_refused"). The link must be down. */
int amqp_link_open(struct amqp_link *l, const struct amqp_address *a, unsigned timeout_ms);

static inline bool amqp_link_up(const struct amqp_link *l)
{
        return l->conn != NULL;
}

/* The connection is of no use any more: say why. Returns -1, what all calls return that find out. The thread then calls
 * amqp_link_drop. The first reason stands. */
int amqp_link_fail(struct amqp_link *l, const char *code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Close the socket and forget what was not written / say goodbye first, waiting up to `timeout_ms`. */
void amqp_link_drop(struct amqp_link *l);
void amqp_link_close(struct amqp_link *l, unsigned timeout_ms);

/* Wait until the socket or `box_fd` is readable, unwritten frames can be written, a heartbeat is due, or `timeout_ms`
 * (-1 = none) is over. Not at all when decoded frames are waiting. */
void amqp_link_wait(struct amqp_link *l, int box_fd, int timeout_ms);

/* The next frame, if one is there. Returns 1, 0, or -1 when the connection is lost. Its memory belongs to rabbitmq-c until
 * amqp_link_release for its channel. */
int amqp_link_read(struct amqp_link *l, amqp_frame_t *frame);
void amqp_link_release(struct amqp_link *l, uint16_t channel);

/* Write what the socket takes, a heartbeat if one is due, and notice a broker that has fallen silent for two heartbeats.
 * Returns 0, or -1 when the connection is lost. */
int amqp_link_flush(struct amqp_link *l);

/* Write everything and leave room for more, waiting up to `timeout_ms`: before a synchronous call of rabbitmq-c, so that
 * its frames don't end up in the middle of ours, and don't block. Returns 0 or -1. */
int amqp_link_settle(struct amqp_link *l, unsigned timeout_ms);

/* What came of the synchronous call just made: 0; 1 with `why` when the broker closed the channel over it
 * (code "precondition_failed", "not_found", "access_refused" or "channel_closed"); or -1 when the connection is lost. */
int amqp_link_result(struct amqp_link *l, uint16_t channel, const char *doing, struct problem *why);

/* The broker closed a channel / the connection: answer, and say why in words. */
void amqp_link_channel_closed(struct amqp_link *l, uint16_t channel, const amqp_channel_close_t *close,
                              const char *doing, struct problem *why);
int amqp_link_connection_closed(struct amqp_link *l, const amqp_connection_close_t *close);

/* Copy bytes of rabbitmq-c as text. */
void amqp_link_text(char *to, size_t size, amqp_bytes_t from);

#endif
