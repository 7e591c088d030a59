/* SPDX-License-Identifier: Apache-2.0 */
/* Frames byte by byte, and deliveries put together from them. The decoder is rabbitmq-c's, not ours. */
#include "broker/amqp/consume/content.h"
#include "broker/amqp/connection/frames.h"
#include "tests/hex.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRAME_MAX 131072

/* Lets rabbitmq-c decode what was written. */
struct reader {
        amqp_connection_state_t conn;
        struct buffer out;
        size_t at;
};

static void set_up(struct reader *r)
{
        amqp_frame_t frame;
        *r = (struct reader){ .conn = amqp_new_connection() };
        static unsigned char first[] = "AMQP\0\0\x09\x01"; /* the next is a frame like any other */
        assert_true(amqp_handle_input(r->conn, (amqp_bytes_t){ 8, first }, &frame) > 0);
        amqp_tune_connection(r->conn, 0, FRAME_MAX, 0);
}

static void tear_down(struct reader *r)
{
        amqp_destroy_connection(r->conn);
        buffer_free(&r->out);
}

static amqp_frame_t next(struct reader *r)
{
        amqp_frame_t frame = { .frame_type = 0 };
        while (frame.frame_type == 0 && r->at < r->out.size) {
                const int used =
                        amqp_handle_input(r->conn, (amqp_bytes_t){ r->out.size - r->at, r->out.data + r->at }, &frame);
                assert_true(used > 0);
                r->at += (size_t)used;
        }
        assert_int_not_equal(frame.frame_type, 0);
        return frame;
}

static void acks_and_hand_backs(void **state)
{
        (void)state;
        struct reader r;
        set_up(&r);
        frame_ack(&r.out, 5, 0x123456789ABCDEF0, true);
        frame_hand_back(&r.out, 65535, 7, false);
        frame_heartbeat(&r.out);
        amqp_frame_t f = next(&r);
        const amqp_basic_ack_t *ack = f.payload.method.decoded;
        assert_int_equal(f.channel, 5);
        assert_int_equal(f.payload.method.id, AMQP_BASIC_ACK_METHOD);
        assert_true(ack->delivery_tag == 0x123456789ABCDEF0 && ack->multiple);
        f = next(&r);
        const amqp_basic_nack_t *nack = f.payload.method.decoded;
        assert_int_equal(f.channel, 65535);
        assert_int_equal(f.payload.method.id, AMQP_BASIC_NACK_METHOD);
        assert_true(nack->delivery_tag == 7 && !nack->multiple && nack->requeue);
        assert_int_equal(next(&r).frame_type, AMQP_FRAME_HEARTBEAT);
        assert_int_equal(r.at, r.out.size);
        tear_down(&r);
}

static struct message *message_with(const char *properties_hex, const char *body)
{
        struct buffer p = { 0 };
        unhex(properties_hex, &p);
        struct message *m = message_new("the exchange", "the.key", buffer_view(&p), bytes_of_string(body));
        assert_non_null(m);
        buffer_free(&p);
        return m;
}

static void publishing_makes_messages_persistent(void **state)
{
        (void)state;
        static const struct {
                const char *sent, *arrives;
        } cases[] = {
                { "0000", "1000 02" },
                { "1000 02", "1000 02" },
                { "1000 01", "1000 02" },
                { "8000 0361622f", "9000 0361622f 02" },
                { "8800 0361622f 05", "9800 0361622f 02 05" },
                { "fffc 0161 0162 00000003 017856 01 09 0163 0164 0165 0166 0000000000000001 0167 0168 0169 016a",
                  "fffc 0161 0162 00000003 017856 02 09 0163 0164 0165 0166 0000000000000001 0167 0168 0169 016a" },
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                struct reader r;
                set_up(&r);
                struct message *m = message_with(cases[i].sent, "hello");
                assert_non_null(m);
                assert_true(frame_can_publish(m, FRAME_MAX));
                frame_publish(&r.out, 3, m);
                frame_body(&r.out, 3, m->body);
                const amqp_frame_t method = next(&r);
                const amqp_basic_publish_t *publish = method.payload.method.decoded;
                assert_memory_equal(publish->exchange.bytes, "the exchange", 12);
                assert_memory_equal(publish->routing_key.bytes, "the.key", 7);
                assert_true(publish->mandatory && !publish->immediate);
                const amqp_frame_t header = next(&r);
                struct buffer expected = { 0 };
                unhex(cases[i].arrives, &expected);
                assert_int_equal(header.payload.properties.raw.len, expected.size);
                assert_memory_equal(header.payload.properties.raw.bytes, expected.data, expected.size);
                assert_int_equal(header.payload.properties.body_size, 5);
                const amqp_frame_t body = next(&r);
                assert_memory_equal(body.payload.body_fragment.bytes, "hello", 5);
                buffer_free(&expected);
                message_free(m);
                tear_down(&r);
        }
}

static void what_would_break_the_connection_is_not_sent(void **state)
{
        (void)state;
        static const char *const bad[] = {
                "",
                "00",
                "8000",
                "8000 05",
                "8000 0561",
                "0000 00",
                "0001",
                "0002",
                "1000",
                "1000 02 02",
                "2000 000000",
                "2000 00000001",
                "2000 ffffffff 00",
                "0040 00000000000000",
                "fffc",
                "9000 0161",
        };
        for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
                struct message *m = message_with(bad[i], "x");
                assert_non_null(m);
                if (frame_can_publish(m, FRAME_MAX))
                        fail_msg("accepted: %s", bad[i]);
                message_free(m);
        }
        char text[300];
        memset(text, 'k', sizeof(text));
        text[256] = '\0';
        struct message *m = message_new("", text, bytes_of("\0", 2), bytes_of_string(""));
        assert_non_null(m);
        assert_false(frame_can_publish(m, FRAME_MAX));
        message_free(m);
        text[255] = '\0';
        m = message_new(text, text, bytes_of("\0", 2), bytes_of_string(""));
        assert_non_null(m);
        assert_true(frame_can_publish(m, FRAME_MAX));
        message_free(m);
}

static void properties_must_fit_into_a_frame(void **state)
{
        (void)state;
        struct buffer p = { 0 };
        const unsigned size = 4096 - FRAME_OVERHEAD - 12 - 1 - 2 - 4; /* fits exactly */
        for (unsigned more = 0; more < 2; more++) {
                buffer_reset(&p);
                const unsigned char head[] = {
                        0x20, 0, 0, 0, (unsigned char)((size + more) >> 8), (unsigned char)(size + more)
                };
                buffer_add(&p, head, sizeof(head));
                for (unsigned i = 0; i < size + more; i++)
                        buffer_add_byte(&p, 'x');
                struct message *m = message_new("", "q", buffer_view(&p), bytes_of_string(""));
                assert_non_null(m);
                assert_int_equal(frame_can_publish(m, 4096), more == 0);
                message_free(m);
        }
        buffer_free(&p);
}

/* ---- deliveries ---- */

static amqp_basic_deliver_t deliver(uint64_t tag)
{
        return (amqp_basic_deliver_t){ .delivery_tag = tag,
                                       .redelivered = 1,
                                       .exchange = amqp_cstring_bytes("ex"),
                                       .routing_key = amqp_cstring_bytes("a.key") };
}

static amqp_frame_t header_frame(uint64_t size)
{
        return (amqp_frame_t){ .frame_type = AMQP_FRAME_HEADER,
                               .payload.properties = { .body_size = size, .raw = { 3, "\x10\0\2" } } };
}

static amqp_frame_t body_frame(const char *text)
{
        return (amqp_frame_t){ .frame_type = AMQP_FRAME_BODY, .payload.body_fragment = amqp_cstring_bytes(text) };
}

static int feed(struct content *c, amqp_frame_t frame, struct delivery **out)
{
        return content_frame(c, &frame, out);
}

static void a_delivery_is_put_together(void **state)
{
        (void)state;
        struct content c = { 0 };
        struct delivery *d = NULL;
        const amqp_basic_deliver_t method = deliver(42);
        content_start(&c, &method);
        assert_int_equal(feed(&c, header_frame(11), &d), 0);
        assert_int_equal(feed(&c, body_frame("hello"), &d), 0);
        assert_int_equal(feed(&c, body_frame(" world"), &d), 1);
        assert_int_equal(d->tag.number, 42);
        assert_true(d->redelivered);
        assert_string_equal(d->exchange, "ex");
        assert_string_equal(d->routing_key, "a.key");
        assert_int_equal(d->properties.size, 3);
        assert_memory_equal(d->properties.data, "\x10\0\2", 3);
        assert_int_equal(d->body.size, 11);
        assert_memory_equal(d->body.data, "hello world", 11);
        delivery_free(d);
}

static void an_empty_body_has_no_body_frame(void **state)
{
        (void)state;
        struct content c = { 0 };
        struct delivery *d = NULL;
        const amqp_basic_deliver_t method = deliver(1);
        content_start(&c, &method);
        assert_int_equal(feed(&c, header_frame(0), &d), 1);
        assert_int_equal(d->body.size, 0);
        delivery_free(d);
}

static void nonsense_is_noticed(void **state)
{
        (void)state;
        struct content c = { 0 };
        struct delivery *d = NULL;
        const amqp_basic_deliver_t method = deliver(1);
        assert_int_equal(feed(&c, header_frame(3), &d), 0); /* belongs to nothing */
        assert_int_equal(feed(&c, body_frame("abc"), &d), 0);
        content_start(&c, &method);
        assert_int_equal(feed(&c, header_frame(CONTENT_SIZE_MAX + 1), &d), -EPROTO);
        content_start(&c, &method);
        assert_int_equal(feed(&c, header_frame(3), &d), 0);
        assert_int_equal(feed(&c, body_frame("abcd"), &d), -EPROTO);
        content_start(&c, &method); /* a half one is forgotten */
        assert_int_equal(feed(&c, header_frame(1), &d), 0);
        assert_int_equal(feed(&c, body_frame("x"), &d), 1);
        delivery_free(d);
        content_clear(&c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(acks_and_hand_backs),
                cmocka_unit_test(publishing_makes_messages_persistent),
                cmocka_unit_test(what_would_break_the_connection_is_not_sent),
                cmocka_unit_test(properties_must_fit_into_a_frame),
                cmocka_unit_test(a_delivery_is_put_together),
                cmocka_unit_test(an_empty_body_has_no_body_frame),
                cmocka_unit_test(nonsense_is_noticed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
