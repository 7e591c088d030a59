/* SPDX-License-Identifier: Apache-2.0 */
#include "core/settings_table.h"

#define AT(field) offsetof(struct settings, field)

/* A table reads by its rows:
 * environment, flag, letter, kind, field, default, least, most, choices,
 * help */
/* clang-format off */
const struct setting setting_table[] = {
        { "CHARD_BROKER_URL", "--broker-url", 0, TEXT, AT(broker_url), "", 0, 0, { 0 },
          "the broker: amqp://USER:PASSWORD@HOST:PORT/VHOST or amqps://… (several, comma-separated, are tried in turn), or embedded:FILE; empty = the file of `chard dev` in this folder, else amqp://guest:guest@127.0.0.1:5672/" },
        { "CHARD_BROKER_CA_FILE", "--broker-ca-file", 0, TEXT, AT(broker_ca_file), "", 0, 0, { 0 },
          "PEM file of the authority that signed the broker's certificate (amqps); empty = the system's" },
        { "CHARD_STORE_URL", "--store-url", 0, TEXT, AT(store_url), "", 0, 0, { 0 },
          "the store: postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or sqlite:FILE; empty = the file of `chard dev` in this folder, else postgresql://127.0.0.1:5432/chard" },
        { "CHARD_AI_PROVIDER", "--ai-provider", 0, CHOICE, AT(ai_provider), "", 0, 0, { "openai", "offline", "" },
          "who answers: openai (any OpenAI-compatible endpoint) or offline (taxonomy and rules alone); empty = openai where a key or a base URL is set" },
        { "OPENAI_BASE_URL", "--openai-base-url", 0, TEXT, AT(openai_base_url), "", 0, 0, { 0 },
          "the endpoint, up to and with /v1; empty = OpenAI's own" },
        { "OPENAI_API_KEY", "--openai-api-key", 0, SECRET, AT(openai_api_key), "", 0, 0, { 0 },
          "the endpoint's key; never logged" },
        { "CHARD_OPENAI_MODEL", "--openai-model", 0, TEXT, AT(openai_model), "gpt-4o-mini", 0, 0, { 0 },
          "model for text" },
        { "CHARD_OPENAI_VISION_MODEL", "--openai-vision-model", 0, TEXT, AT(openai_vision_model), "gpt-4o-mini", 0, 0, { 0 },
          "model for images" },
        { "CHARD_QUEUES", "--queues", 'Q', TEXT, AT(queues), "", 0, 0, { 0 },
          "queues to consume, comma-separated; empty = all but the diagnostic ones" },
        { "CHARD_NAME", "--name", 'n', TEXT, AT(name), "", 0, 0, { 0 },
          "the worker's name, its own among all workers; empty = chard@HOSTNAME" },
        { "CHARD_SLOTS", "--slots", 'c', NUMBER, AT(slots), "1000", 1, 65535, { 0 },
          "tasks in hand at once, per queue (the consumer's prefetch)" },
        { "CHARD_DEADLINE_MS", "--deadline-ms", 0, NUMBER, AT(deadline_ms), "0", 0, 86400000, { 0 },
          "deadline of every AI call, in milliseconds; 0 = each task's own" },
        { "CHARD_CONNECT_TIMEOUT_MS", "--connect-timeout-ms", 0, NUMBER, AT(connect_timeout_ms), "5000", 1, 600000, { 0 },
          "longest wait for a connection to broker, store or provider, in milliseconds" },
        { "CHARD_AI_CONNECTIONS", "--ai-connections", 0, NUMBER, AT(ai_connections), "20000", 1, 1000000, { 0 },
          "sockets to the provider at once, at most" },
        { "CHARD_AI_HTTP2_PLAIN", "--ai-http2-plain", 0, SWITCH, AT(ai_http2_plain), "no", 0, 0, { 0 },
          "speak HTTP/2 without TLS to the provider (prior knowledge)" },
        { "CHARD_HOLD_MS", "--hold-ms", 0, NUMBER, AT(hold_ms), "2000", 0, 60000, { 0 },
          "a pause up to this long is waited for in the process, a longer one is scheduled; milliseconds" },
        { "CHARD_MAX_STARTS", "--max-starts", 0, NUMBER, AT(max_starts), "10", 1, 1000, { 0 },
          "a task started this often without finishing is poison and dies" },
        { "CHARD_LEASE_SLACK_MS", "--lease-slack-ms", 0, NUMBER, AT(lease_slack_ms), "15000", 100, 3600000, { 0 },
          "a claim is held for the task's deadline and this much more; milliseconds" },
        { "CHARD_MAX_BODY_BYTES", "--max-body-bytes", 0, NUMBER, AT(max_body_bytes), "16777216", 1024, 134217728, { 0 },
          "a larger message body becomes a dead letter" },
        { "CHARD_HEARTBEAT_S", "--heartbeat-s", 0, NUMBER, AT(heartbeat_s), "10", 1, 3600, { 0 },
          "AMQP heartbeat in seconds; a dead link is noticed within two" },
        { "CHARD_GRACE_MS", "--grace-ms", 0, NUMBER, AT(grace_ms), "30000", 0, 3600000, { 0 },
          "at SIGTERM, time to finish what runs before the rest is handed back; milliseconds" },
        { "CHARD_HEALTH_FILE", "--health-file", 0, TEXT, AT(health_file), "", 0, 0, { 0 },
          "file whose content says twice a second whether this worker is consuming, for probes; empty = none" },
        { "CHARD_LOG_LEVEL", "--log-level", 0, CHOICE, AT(log_level), "info", 0, 0, { "debug", "info", "warn", "error" },
          "least level that is logged" },
        { "CHARD_LOG_FORMAT", "--log-format", 0, CHOICE, AT(log_format), "text", 0, 0, { "text", "json" },
          "form of a log line" },
};
/* clang-format on */

_Static_assert(sizeof(setting_table) / sizeof(setting_table[0]) == SETTING_COUNT,
               "SETTING_COUNT in core/settings_table.h counts the rows");
