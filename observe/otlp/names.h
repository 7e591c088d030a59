/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of the names that spans have for others: OpenTelemetry's conventions for messaging (1.44) and generative AI, which still change, and chard's own. */
#ifndef CHARD_OBSERVE_OTLP_NAMES_H
#define CHARD_OBSERVE_OTLP_NAMES_H

enum otlp_name {
        /* messaging */
        NAME_SYSTEM,
        NAME_OPERATION,
        NAME_OPERATION_TYPE,
        NAME_DESTINATION,
        NAME_MESSAGE_ID,
        NAME_CONVERSATION,
        NAME_BATCH_COUNT,
        /* generative AI */
        NAME_AI_PROVIDER,
        NAME_AI_OPERATION,
        NAME_AI_MODEL,
        NAME_AI_MODEL_ANSWERED,
        NAME_AI_TOKENS_IN,
        NAME_AI_TOKENS_OUT,
        /* HTTP */
        NAME_HTTP_METHOD,
        NAME_HTTP_ROUTE,
        NAME_HTTP_STATUS,
        /* errors */
        NAME_ERROR_TYPE,
        /* chard's own */
        NAME_TASK,
        NAME_ATTEMPT,
        NAME_PIPELINE,
        NAME_EVENT_TYPE,
        NAME_QUEUED_MS,
        NAME_COST,
        NAME_WAIT_MS,
        NAME_LATE_MS,
        NAME_REASON,
        NAME_AREA,
        /* of the process */
        NAME_SERVICE,
        NAME_SERVICE_VERSION,
        NAME_SERVICE_INSTANCE,
        NAME_SDK,
        NAME_SDK_LANGUAGE,
        NAME_SDK_VERSION,
        OTLP_NAMES
};

extern const char *const otlp_names[OTLP_NAMES];

#endif
