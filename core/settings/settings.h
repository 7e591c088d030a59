/* SPDX-License-Identifier: Apache-2.0 */
/* Every setting of chard: one table gives its name, type, default and help; flags (`--broker-url X`),
 * environment (CHARD_BROKER_URL, or CHARD_BROKER_URL_FILE naming a file) and the reference page come from it.
 * A flag wins over the environment, the environment over the default. */
#ifndef CHARD_CORE_SETTINGS_SETTINGS_H
#define CHARD_CORE_SETTINGS_SETTINGS_H

#include "core/problem.h"

#include <stdbool.h>
#include <stdio.h>

struct settings {
        char *broker_url;       /* one or more, comma-separated; tried in turn */
        char *broker_ca_file;   /* PEM, for amqps */
        char *broker_admin_url; /* RabbitMQ's management API, or empty */
        char *store_url;
        char *ai_provider; /* "offline", "openai", or empty: openai where a key or a base URL is set */
        char *openai_base_url;
        char *openai_api_key; /* secret */
        char *openai_model;
        char *openai_vision_model;
        char *tasks;       /* files of task plug-ins, comma-separated; empty = none */
        char *result_url;  /* comma-separated: rpc://, redis://…, disabled:// */
        char *task_routes; /* where tasks of others go; see message/routes.h */
        char *kafka_servers, *kafka_prefix;
        char *kafka_properties;              /* "NAME=VALUE;…" of librdkafka; may hold a password */
        char *search_url, *models_redis_url; /* where read models are kept */
        char *connect_url;                   /* of Kafka Connect; empty: not known */
        char *default_queue;                 /* … where none of them fits; empty = nowhere */
        char *queues;                        /* comma-separated; empty = every queue of the registry */
        char *name;                          /* worker name; empty = chard@HOSTNAME */
        char *log_level;
        char *log_format;
        long log_fold; /* lines of one kind in ten seconds; 0 = all are written */
        char *health_file;
        char *metrics;          /* where they are shown: ADDRESS:PORT; empty = nowhere */
        char *otlp_url;         /* the collector; empty: as OpenTelemetry's variables have it */
        char *otlp_headers;     /* secret */
        bool otlp_logs;         /* the lines of the log go there, too */
        char *trace_sample;     /* "0" … "1"; "" = as OTEL_TRACES_SAMPLER says */
        long trace_slow_ms;     /* 0 = none is slow */
        char *gateway_listen;   /* ADDRESS:PORT */
        char *gateway_hosts;    /* names that Host may have, comma-separated */
        char *gateway_origins;  /* whose pages may use the gateway, comma-separated */
        char *gateway_tls_cert; /* PEM files; empty = plain HTTP */
        char *gateway_tls_key;
        char *gateway_log;   /* "-" = standard output; empty = none */
        char *oidc_issuer;   /* whose tokens the gateway takes; empty = nobody's */
        char *oidc_jwks_url; /* empty: as its discovery document says */
        char *oidc_audience;
        char *oidc_scope_claim;
        char *oidc_ca_file;
        char *events;            /* "asked", "on", "off" */
        char *remote_control;    /* "yes", "no" */
        char *dlq_queues;        /* queues of no task here whose dead letters are kept too, comma-separated */
        char *dlq_policies;      /* which dead letters are sent back by themselves; see duties/policy.h */
        char *dlq_webhook_url;   /* secret */
        char *dlq_webhook_shape; /* "slack", "discord", or empty: by the URL's host */
        char *webhook_secret;    /* secret: whsec_… */
        long dlq_webhook_every_s;
        long dlq_webhook_quiet_s;
        long stale_every_s; /* 0 = never */
        long stale_slack_s;
        long gateway_connections;
        long upload_max_bytes; /* of a picture that is sent to the gateway */
        long blob_keep_s;      /* pictures that nobody uses are kept for so long; 0 = for ever */
        long duties_lease_s;
        long slots;              /* tasks in hand at once, per queue with AI calls */
        long heartbeat_s;        /* AMQP heartbeat, seconds */
        long grace_ms;           /* time to finish at shutdown */
        long hold_ms;            /* a pause up to this long is held in the process, a longer one is scheduled */
        long max_starts;         /* a task started this often without finishing is poison */
        long outage_patience_s;  /* so long an endpoint that is out costs a task no attempts */
        long lease_slack_ms;     /* added to a task's deadline for its lease */
        long connect_timeout_ms; /* to the provider, broker and store */
        long deadline_ms;        /* 0 = each task's own */
        long max_body_bytes;
        long result_expires_s; /* 0 = never */
        long chord_lost_ms;    /* a chord without a size is lost after that */
        long ai_connections;   /* sockets to the provider at once */
        bool declare_queues;
        bool webhook_private; /* jobs' ends may be told to addresses of private networks */
        bool native_delay;    /* declare kombu's queues for messages with countdown or eta */
        bool track_started;
        bool ai_http2_plain; /* speak HTTP/2 without TLS ("prior knowledge") to the provider */
        bool ai_baggage;     /* send a message's baggage to the provider */
};

/* A flag that one sub-command has for itself, beside the settings. */
struct own_flag {
        const char *name;  /* "--json" */
        char letter;       /* 'j' for -j, or 0 */
        bool *seen;        /* set when given, or NULL */
        const char **text; /* takes a value into this (borrowed from argv), or NULL: takes none */
        const char *value_name;
        const char *help;
};

/* Fill in from environment and the words after the sub-command. Flags may stand anywhere; other words are moved
 * to the front of argv and counted in *operands; "--" ends the flags. A flag's value is the next word or follows
 * "="; one that begins with '-' and is no number must follow "=". An empty variable counts as not set; of a
 * …_FILE the first line counts. `own` ends with a NULL name, or is NULL.
 * Returns 0, or 1 with `why` filled in (code "usage" or "bad_setting"), naming the nearest flag or setting, or
 * -ENOMEM (code "out_of_memory"). In each case call settings_free afterwards. main's thread. */
int settings_load(struct settings *s, const struct own_flag *own, char **argv, int argc, int *operands,
                  struct problem *why);

/* Print every setting with its environment name, flag, type, default and meaning. */
void settings_print(FILE *out, bool markdown);

void settings_free(struct settings *s);

#endif
