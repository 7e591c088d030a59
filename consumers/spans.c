/* SPDX-License-Identifier: Apache-2.0 */
#include "consumers/spans.h"

#include "core/clock.h"
#include "core/json.h"

#include <stdio.h>

/* Since it was written, where that is known. */
static int64_t heard_age_ms(const struct heard *h)
{
        int64_t created_ms = 0;
        const char *text = json_text(h->whole, "created_at", "");
        if (!*text || clock_parse(text, &created_ms) != 0)
                return 0;
        const int64_t age_ms = clock_wall_ms() - created_ms;
        return age_ms > 0 ? age_ms : 0;
}

/* No payload, and no aggregate's id, which may be a person's. */
static void heard_emit_span(struct heard *h, const struct consumer_def *def, const char *system)
{
        const bool failed = h->verdict != HEARD_ACTS;
        const struct otlp_attribute wait[] = { { .name = NAME_WAIT_MS, .number = h->delay_ms },
                                               { .name = NAME_REASON, .text = "retry" } };
        const struct otlp_event waiting = { "waiting", clock_wall_us(), wait, 2 };
        char name[160], destination[128];
        const struct otlp_attribute attributes[] = {
                { .name = NAME_SYSTEM, .text = system },
                { .name = NAME_OPERATION, .text = "process" },
                { .name = NAME_OPERATION_TYPE, .text = "process" },
                { .name = NAME_DESTINATION, .text = destination },
                { .name = NAME_MESSAGE_ID, .text = h->id },
                { .name = NAME_EVENT_TYPE, .text = h->event.type },
                { .name = NAME_ATTEMPT, .number = h->attempts + 1 },
                { .name = NAME_QUEUED_MS, .number = heard_age_ms(h) },
                { .name = NAME_ERROR_TYPE, .text = h->why.code }, /* the last: there only with an error */
        };
        const size_t count = sizeof(attributes) / sizeof(attributes[0]);
        snprintf(destination, sizeof(destination), CONSUMER_QUEUE "%s", def->name);
        snprintf(name, sizeof(name), "process %s", destination);
        live_span_end(&h->span, (struct otlp_span){ .name = name,
                                                    .kind = OTLP_CONSUMER,
                                                    .failed = failed,
                                                    .attributes = attributes,
                                                    .attribute_count = count - !failed,
                                                    .events = &waiting,
                                                    .event_count = h->verdict == HEARD_WAITS });
}

void heard_end_span(struct heard *h, const struct consumer_def *def, const char *system)
{
        if (h->span.source && (h->verdict != HEARD_WAITS || h->again))
                heard_emit_span(h, def, system);
}
