/* SPDX-License-Identifier: Apache-2.0 */
/* Spans and lines of a log as OTLP has them: Protocol Buffers, written by hand, because it takes seven small messages of them. Pure.
 * Sources: opentelemetry-proto, trace/v1/trace.proto, logs/v1/logs.proto, common/v1/common.proto, collector/trace/v1/trace_service.proto, collector/logs/v1/logs_service.proto; Protocol Buffers, "Encoding". */
#ifndef CHARD_OBSERVE_OTLP_ENCODE_H
#define CHARD_OBSERVE_OTLP_ENCODE_H

#include "core/bytes.h"
#include "observe/otlp/names.h"

enum otlp_kind { OTLP_INTERNAL = 1, OTLP_SERVER, OTLP_CLIENT, OTLP_PRODUCER, OTLP_CONSUMER };

/* A text, where there is one; else a real number, where it is not 0; else a whole one. */
struct otlp_attribute {
        enum otlp_name name;
        const char *text;
        double real;
        int64_t number;
};

/* Something that happened meanwhile. Wall clock, microseconds. */
struct otlp_event {
        const char *name;
        int64_t at_us;
        const struct otlp_attribute *attributes;
        size_t attribute_count;
};

/* All borrowed. */
struct otlp_span {
        const char *trace, *parent; /* 32 hexadecimal digits; 16, or "" */
        const char *name;
        uint64_t id;
        enum otlp_kind kind;
        bool failed;
        int64_t begin_us, end_us; /* wall clock */
        const struct otlp_attribute *attributes;
        const struct otlp_event *events;
        size_t attribute_count, event_count;
};

/* A name of the table, or another. */
struct otlp_pair {
        const char *name, *text;
        bool number; /* the text is a whole one */
};

/* A line of a log. All borrowed; trace and span are hexadecimal digits or "". */
struct otlp_record {
        int64_t at_us;     /* wall clock */
        unsigned severity; /* 1 to 24, as OpenTelemetry counts */
        const char *severity_text, *body, *trace, *span;
        const struct otlp_pair *pairs;
        size_t pair_count;
};

/* Append it as a member of a list of lines. Text that is no UTF-8 is repaired. */
void otlp_add_record(struct buffer *list, const struct otlp_record *record);

/* Append it as a member of a list of spans. Text that is no UTF-8 is repaired. */
void otlp_add_span(struct buffer *list, const struct otlp_span *span);

/* Append an attribute as a member of a resource. / The same with a name of somebody else's. */
void otlp_add_resource(struct buffer *resource, const struct otlp_attribute *a);
void otlp_add_named(struct buffer *resource, const char *name, const char *text);

/* Write the request that exports such a list, of spans or of lines, of such a resource: both are laid out alike. */
void otlp_write_request(struct buffer *out, struct bytes resource, struct bytes list);

#endif
