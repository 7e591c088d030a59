/* SPDX-License-Identifier: Apache-2.0 */
/* Names after the conventions of Prometheus and OpenTelemetry: base units, the unit last, counters end in _total, process_* as every client library has them.
 * Sources: prometheus.io, "Metric and label naming"; OpenTelemetry semantic conventions, "Generative AI metrics" (bucket bounds, token types). */
#include "observe/table.h"

static const struct buckets seconds = {
        17, { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300 }
};
static const struct buckets queue_seconds = {
        15, { 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400 }
};
static const struct buckets ai_seconds = {
        14, { 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92 }
};
static const struct buckets lag_seconds = { 10, { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5 } };

/* A table reads by its rows. */
/* clang-format off */
#define TASK  { "task", "queue" }
#define CODE  { "task", "queue", "code" }
#define MODEL { "provider", "model" }
#define NONE  { NULL }
#define COUNT METRIC_COUNTER, NULL
#define STATE METRIC_GAUGE, NULL
#define TIME  METRIC_HISTOGRAM, "seconds"

const struct metric meter_table[METER_ROWS] = {
        [METER_TASKS_RECEIVED] = { "chard_tasks_received", COUNT, TASK, NULL, "Messages of tasks that were taken from a queue and read." },
        [METER_TASKS_STARTED] = { "chard_tasks_started", COUNT, TASK, NULL, "Tasks whose work has begun here." },
        [METER_TASKS_SUCCEEDED] = { "chard_tasks_succeeded", COUNT, TASK, NULL, "Tasks whose outcome stands: committed, or worked out where the store keeps no state." },
        [METER_TASKS_FAILED] = { "chard_tasks_failed", COUNT, CODE, NULL, "Attempts that failed, by the code of why; those that killed their task included." },
        [METER_TASKS_RETRIED] = { "chard_tasks_retried", COUNT, TASK, NULL, "Failed attempts whose next one is safe in the store." },
        [METER_TASKS_DEAD] = { "chard_tasks_dead", COUNT, CODE, NULL, "Tasks that failed for good, by the code of why; each has a dead letter." },
        [METER_TASKS_PAUSED] = { "chard_tasks_paused", COUNT, TASK, NULL, "Times that a task had to wait for its model or its rate limit." },
        [METER_TASKS_SCHEDULED] = { "chard_tasks_scheduled", COUNT, { "task", "queue", "reason" }, NULL, "Messages put away in the store for another reason than a retry or a pause." },
        [METER_TASKS_REVOKED] = { "chard_tasks_revoked", COUNT, TASK, NULL, "Tasks that were revoked and never run." },
        [METER_TASKS_HANDED_BACK] = { "chard_tasks_handed_back", COUNT, TASK, NULL, "Messages that went back to their queue for another worker." },
        [METER_TASKS_IN_FLIGHT] = { "chard_tasks_in_flight", STATE, { "queue" }, NULL, "Messages of this queue that this worker has in hand." },
        [METER_TASK_SLOTS] = { "chard_task_slots", STATE, { "queue" }, NULL, "Messages of this queue that this worker may have in hand; 0 while it takes none." },
        [METER_TASK_QUEUED_SECONDS] = { "chard_task_queued_seconds", TIME, TASK, &queue_seconds, "From when a message came into its queue, where it says so, until a worker received it." },
        [METER_TASK_WAIT_SECONDS] = { "chard_task_wait_seconds", TIME, TASK, &seconds, "From the receipt of a task until its work began: its claim, rate limits, pauses that are held here." },
        [METER_TASK_CALL_SECONDS] = { "chard_task_call_seconds", TIME, TASK, &seconds, "A task's call, or its own work where it makes none." },
        [METER_TASK_COMMIT_SECONDS] = { "chard_task_commit_seconds", TIME, TASK, &seconds, "From the end of a task's work until its outcome was committed." },
        [METER_TASK_SECONDS] = { "chard_task_seconds", TIME, TASK, &seconds, "From the receipt of a task until its message was acked, whatever came of it." },

        [METER_AI_REQUESTS] = { "chard_ai_requests", COUNT, { "provider", "model", "outcome" }, NULL, "Requests that the provider was sent, by how they ended: ok, failed, limited, refused." },
        [METER_AI_REQUEST_SECONDS] = { "chard_ai_request_seconds", TIME, MODEL, &ai_seconds, "How long a request took." },
        [METER_AI_TOKENS] = { "chard_ai_tokens", COUNT, { "provider", "model", "type" }, NULL, "Tokens that the provider counted: input, output." },
        [METER_AI_COST] = { "chard_ai_cost_dollars", METRIC_COUNTER, "dollars", MODEL, NULL, "What requests have cost by the price table, in US dollars." },
        [METER_AI_IN_FLIGHT] = { "chard_ai_in_flight", STATE, NONE, NULL, "Requests under way, or waiting for a connection." },
        [METER_AI_ENDPOINT_UP] = { "chard_ai_endpoint_up", STATE, NONE, NULL, "1 while the endpoint serves anybody, 0 while a fault of its own (key, money, address) keeps all from it." },
        [METER_AI_MODEL_PAUSED_SECONDS] = { "chard_ai_model_paused_seconds", METRIC_GAUGE, "seconds", { "model" }, NULL, "How long a model is still paused; 0 = it may be called." },
        [METER_AI_LIMITER_STATE] = { "chard_ai_limiter_state", STATE, { "model", "state" }, NULL, "1 for the state that a model's limiter is in: free, paused, ramping." },
        [METER_AI_BREAKER_STATE] = { "chard_ai_breaker_state", STATE, { "model", "state" }, NULL, "1 for the state that a model's breaker is in: closed, open, half_open." },

        [METER_QUEUE_READY] = { "chard_queue_ready", STATE, { "queue" }, NULL, "Messages of a queue that nobody has taken; not those that the store keeps for later." },
        [METER_QUEUE_IN_FLIGHT] = { "chard_queue_in_flight", STATE, { "queue" }, NULL, "Messages of a queue that live workers have in hand." },
        [METER_QUEUE_SLOTS_FREE] = { "chard_queue_slots_free", STATE, { "queue" }, NULL, "Messages of a queue that live workers could take besides." },
        [METER_QUEUE_OLDEST_AGE_SECONDS] = { "chard_queue_oldest_age_seconds", METRIC_GAUGE, "seconds", { "queue" }, NULL, "Age of a queue's oldest ready message, at most; missing where messages do not say when they came." },
        [METER_SCHEDULED_MESSAGES] = { "chard_scheduled_messages", STATE, { "reason" }, NULL, "Messages that the store keeps for later, those that are due included." },
        [METER_SCHEDULED_DUE_MESSAGES] = { "chard_scheduled_due_messages", STATE, { "reason" }, NULL, "Messages in the store that are due and not yet published." },
        [METER_SCHEDULED_LATE_SECONDS] = { "chard_scheduled_late_seconds", METRIC_GAUGE, "seconds", NONE, NULL, "How long the first due message in the store has been due; 0 = none is." },
        [METER_DEAD_LETTERS] = { "chard_dead_letters", STATE, NONE, NULL, "Dead letters that are kept, 100000 at most." },
        [METER_FLEET_PROCESSES] = { "chard_fleet_processes", STATE, { "role", "state" }, NULL, "Workers and keepers by their last sign of life: consuming, not_consuming, stopped, dead." },
        [METER_REPLICATION_SLOT_LAG] = { "chard_replication_slot_lag_bytes", METRIC_GAUGE, "bytes", { "slot" }, NULL, "How far a logical replication slot of this database is behind." },
        [METER_REPLICATION_SLOT_ACTIVE] = { "chard_replication_slot_active", STATE, { "slot" }, NULL, "1 while somebody reads the slot." },
        [METER_REPLICATION_SLOT_WAL_STATUS] = { "chard_replication_slot_wal_status", STATE, { "slot", "status" }, NULL, "1 for what the server says of the log that the slot needs: reserved, extended, unreserved, lost." },
        [METER_REPLICATION_SLOT_SAFE] = { "chard_replication_slot_safe_bytes", METRIC_GAUGE, "bytes", { "slot" }, NULL, "How much may be written before the slot loses what it needs; missing where nothing is ever removed." },
        [METER_EVENTS_UNDELIVERED_SECONDS] = { "chard_events_undelivered_seconds", METRIC_GAUGE, "seconds", { "slot" }, NULL, "Age of the oldest event that the slot's reader does not have, at most; 0 = it has all." },

        [METER_DEAD_LETTERS_FILED] = { "chard_dead_letters_filed", COUNT, NONE, NULL, "Dead letters that this keeper has brought into the store." },
        [METER_DEAD_LETTERS_REFUSED] = { "chard_dead_letters_refused", COUNT, NONE, NULL, "Dead letters that the store did not take." },
        [METER_DUTIES_LEADER] = { "chard_duties_leader", STATE, NONE, NULL, "1 while this process does the duties of the fleet." },

        [METER_CONSUMER_EVENTS] = { "chard_consumer_events", COUNT, { "consumer", "outcome" }, NULL, "Events that a consumer dealt with here: acted, put_aside (it waits), dead (it has a dead letter)." },
        [METER_CONSUMER_STEP_SECONDS] = { "chard_consumer_step_seconds", TIME, { "consumer" }, &seconds, "The transaction in which a consumer stored what some events led to." },
        [METER_CONSUMER_ACTS] = { "chard_consumer_acts", STATE, { "consumer" }, NULL, "1 while this process is the one that acts as the consumer." },
        [METER_CONSUMER_BEHIND] = { "chard_consumer_behind_events", STATE, { "consumer" }, NULL, "Events of the outbox behind which a consumer is, 10,000 at most; asked for every five seconds." },
        [METER_CONSUMER_WAITING] = { "chard_consumer_waiting_events", STATE, { "consumer" }, NULL, "Events that a consumer has put aside until their time." },

        [METER_HTTP_REQUESTS] = { "chard_http_requests", COUNT, { "method", "route", "status" }, NULL, "Requests that were answered; route is the pattern, or \"none\"." },
        [METER_HTTP_REQUEST_SECONDS] = { "chard_http_request_seconds", TIME, { "route" }, &seconds, "From a request's line to the end of its answer; long polls and streams take as long as they are asked to." },
        [METER_HTTP_CONNECTIONS] = { "chard_http_connections", STATE, NONE, NULL, "Connections that are open." },

        [METER_BROKER_UP] = { "chard_broker_up", STATE, NONE, NULL, "1 while the broker is connected and all that should be consumed is." },
        [METER_BROKER_BLOCKED] = { "chard_broker_blocked", STATE, NONE, NULL, "1 while the broker takes no publishes." },
        [METER_BROKER_LOSSES] = { "chard_broker_connection_losses", COUNT, NONE, NULL, "Connections to the broker that were lost; each is made anew." },
        [METER_BROKER_CONSUMERS] = { "chard_broker_consumers", STATE, { "state" }, NULL, "Queues that this process consumes: wanted, registered." },
        [METER_BROKER_FRAME_AGE_SECONDS] = { "chard_broker_frame_age_seconds", METRIC_GAUGE, "seconds", NONE, NULL, "Since the broker gave its last sign of life." },
        [METER_BROKER_UNCONFIRMED] = { "chard_broker_unconfirmed", STATE, NONE, NULL, "Publishes that wait for their confirm." },
        [METER_BROKER_CALLS] = { "chard_broker_calls", COUNT, NONE, NULL, "Publishes that were answered; all work on the file, where broker and store are one." },
        [METER_BROKER_REFUSALS] = { "chard_broker_refusals", COUNT, NONE, NULL, "Publishes that the broker did not take." },
        [METER_BROKER_GROUP_SIZE] = { "chard_broker_group_size", METRIC_HISTOGRAM, NULL, NONE, &door_sizes, "How many of them went together." },
        [METER_BROKER_GROUP_SECONDS] = { "chard_broker_group_seconds", TIME, NONE, &door_seconds, "How long such a group took." },
        [METER_STORE_UP] = { "chard_store_up", STATE, NONE, NULL, "1 while the store answers." },
        [METER_STORE_LOSSES] = { "chard_store_connection_losses", COUNT, NONE, NULL, "Times that the store was lost." },
        [METER_STORE_WAITING] = { "chard_store_waiting_calls", STATE, NONE, NULL, "Calls that wait for the store's answer." },
        [METER_STORE_CALLS] = { "chard_store_calls", COUNT, NONE, NULL, "Calls that the store answered." },
        [METER_STORE_REFUSALS] = { "chard_store_refusals", COUNT, NONE, NULL, "Calls that it answered with a refusal; one that is repeated counts each time." },
        [METER_STORE_GROUP_SIZE] = { "chard_store_group_size", METRIC_HISTOGRAM, NULL, NONE, &door_sizes, "How many calls one transaction had." },
        [METER_STORE_GROUP_SECONDS] = { "chard_store_group_seconds", TIME, NONE, &door_seconds, "How long a transaction took." },

        [METER_SPANS] = { "chard_otlp_spans", COUNT, { "outcome" }, NULL, "Spans for the collector: sent, and dropped because it was away, would not have them or was too slow." },
        [METER_LOG_LINES] = { "chard_otlp_log_lines", COUNT, { "outcome" }, NULL, "Log lines for the collector: sent, and dropped because it was away, would not have them or was too slow." },

        [METER_READY] = { "chard_ready", STATE, NONE, NULL, "1 while this process does what it is for, as /readyz says." },
        [METER_LOOP_LAG_SECONDS] = { "chard_loop_lag_seconds", TIME, NONE, &lag_seconds, "How late the event loop is, looked at five times a second." },
        [METER_PROCESS_CPU_SECONDS] = { "process_cpu_seconds", METRIC_COUNTER, "seconds", NONE, NULL, "User and system CPU time." },
        [METER_PROCESS_RESIDENT_BYTES] = { "process_resident_memory_bytes", METRIC_GAUGE, "bytes", NONE, NULL, "Resident memory." },
        [METER_PROCESS_OPEN_FDS] = { "process_open_fds", STATE, NONE, NULL, "File descriptors that are open." },
        [METER_PROCESS_MAX_FDS] = { "process_max_fds", STATE, NONE, NULL, "File descriptors that may be open." },
        [METER_PROCESS_START_SECONDS] = { "process_start_time_seconds", METRIC_GAUGE, "seconds", NONE, NULL, "When the process started, since 1970." },
        [METER_BUILD] = { "chard_build", METRIC_INFO, NULL, { "version", "role", "name" }, NULL, "Which chard this is, what it does and what it is called." },
        [METER_METRICS_SERIES_COUNT] = { "chard_metrics_series", STATE, NONE, NULL, "Label sets that are kept." },
        [METER_METRICS_SERIES_REFUSED] = { "chard_metrics_series_refused", COUNT, NONE, NULL, "Times that a new label set found no room and was counted as \"other\"." },
};
/* clang-format on */
