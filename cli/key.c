/* SPDX-License-Identifier: Apache-2.0 */
/* chard key: who may ask the HTTP gateway. */
#include "cli/common/flags.h"

#include "cli/common/store_client.h"
#include "cli/common/view.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/text/print.h"
#include "core/text/utf8.h"
#include "gateway/api_key.h"
#include "store/access.h"

#include <stdio.h>
#include <string.h>

enum { KEY_NAME_MOST = 100, KEY_RATE_MOST = 1000000 };

#define KEY_SCOPES "submit,read"

struct keyring {
        struct store_client client;
        const char *scopes, *rate_text;
        bool json;
        char granted[API_SCOPES_SIZE];
        unsigned rate;
};

/* ---- add ---- */

static int key_check(const struct command *self, struct keyring *k, const char *name)
{
        const unsigned read = api_scopes_read(k->scopes ? k->scopes : KEY_SCOPES);
        const size_t size = strlen(name);
        if (size == 0 || size > KEY_NAME_MOST || !utf8_is(name))
                return command_misuse(self, "a key's name must be 1 to %d bytes of UTF-8", KEY_NAME_MOST);
        if (!read)
                return command_misuse(
                        self, "--scopes takes one or more of submit, read, operate, admin, separated by commas");
        api_scopes_write(read, k->granted);
        return flag_number(self, "--rate", k->rate_text, 0, KEY_RATE_MOST, &k->rate) ? 0 : EXIT_USAGE;
}

/* The key alone on standard output: what a script takes. */
static int key_add(struct keyring *k, const char *name)
{
        char text[API_KEY_SIZE], id[API_KEY_ID_SIZE], digest[DIGEST_TEXT_SIZE];
        if (!api_key_new(text, id, digest)) {
                fprintf(stderr, "chard %s: no key could be made: libcrypto does not work\n", k->client.self->name);
                return EXIT_FAILED;
        }
        const struct access_key key = {
                .id = id, .name = name, .digest = digest, .scopes = k->granted, .rate = k->rate
        };
        k->client.store->access->key_add(k->client.store, &key, store_client_on_json, &k->client);
        const int code = store_client_wait(&k->client);
        if (code)
                return code;
        puts(text);
        fprintf(stderr, "key %s (", id);
        print_plain(stderr, name);
        fprintf(stderr,
                "), scopes %s: it is shown this once, and can't be shown again; running gateways know it within two seconds\n",
                k->granted);
        return EXIT_DONE;
}

/* ---- ls ---- */

static void key_print(const json_t *row, const json_t *rows, int64_t now_ms)
{
        char age[32];
        const int64_t revoked_ms = json_number(row, "revoked_ms", 0);
        view_text(json_text(row, "id", ""), view_column(rows, "id", "ID"), true);
        fputs("  ", stdout);
        view_text(json_text(row, "name", ""), view_column(rows, "name", "NAME"), true);
        fputs("  ", stdout);
        view_text(json_text(row, "scopes", ""), view_column(rows, "scopes", "SCOPES"), true);
        printf("  %8lld  %-8s  ", (long long)json_number(row, "rate", 0),
               view_age(json_number(row, "created_ms", 0), now_ms, age));
        if (revoked_ms)
                printf("revoked %s ago\n", view_age(revoked_ms, now_ms, age));
        else
                puts("counts");
}

static int key_ls(struct keyring *k)
{
        size_t i;
        json_t *row;
        k->client.store->access->key_list(k->client.store, store_client_on_json, &k->client);
        const int code = store_client_wait(&k->client);
        json_t *rows = k->client.value;
        if (code)
                return code;
        json_array_foreach(rows, i, row)
                json_object_del(row, "digest");
        if (k->json) {
                view_json(rows);
                return EXIT_DONE;
        }
        if (json_array_size(rows) == 0) {
                puts("no keys: gateways listen on this machine's own addresses only, and ask for none");
                return EXIT_DONE;
        }
        const int64_t now_ms = clock_wall_ms();
        printf("%-*s  %-*s  %-*s  %8s  %-8s  %s\n", (int)view_column(rows, "id", "ID"), "ID",
               (int)view_column(rows, "name", "NAME"), "NAME", (int)view_column(rows, "scopes", "SCOPES"), "SCOPES",
               "RATE/MIN", "AGE", "STATE");
        json_array_foreach(rows, i, row)
                key_print(row, rows, now_ms);
        return EXIT_DONE;
}

/* ---- revoke ---- */

static int key_revoke(struct keyring *k, const char *which)
{
        size_t i;
        json_t *row;
        k->client.store->access->key_revoke(k->client.store, which, store_client_on_json, &k->client);
        const int code = store_client_wait(&k->client);
        if (code)
                return code;
        if (json_array_size(k->client.value) == 0) {
                fprintf(stderr, "chard %s: there is no such key; see: chard key ls\n", k->client.self->name);
                return EXIT_FAILED;
        }
        json_array_foreach(k->client.value, i, row) {
                printf("revoked %s ", json_text(row, "id", ""));
                view_plain(json_text(row, "name", ""));
                putchar('\n');
        }
        return EXIT_DONE;
}

/* ---- the verbs ---- */

/* `does` takes the one word beside the flags, or there is none. */
static int key_with(const struct command *self, int argc, char **argv, const struct own_flag *own, struct keyring *k,
                    int (*does)(struct keyring *k, const char *word))
{
        struct settings s;
        int operands, code;
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        if (operands != (does ? 1 : 0)) {
                settings_free(&s);
                return command_misuse(self, does ? "say one name or id" : "it takes no words beside flags");
        }
        code = does ? key_check(self, k, argv[0]) : 0;
        if (code == 0)
                code = store_client_open(&k->client, self, &s);
        if (code == 0)
                code = does ? does(k, argv[0]) : key_ls(k);
        store_client_close(&k->client);
        settings_free(&s);
        return code;
}

static int key_run_add(const struct command *self, int argc, char **argv)
{
        struct keyring k = { 0 };
        const struct own_flag own[] = {
                { "--scopes", 0, NULL, &k.scopes, "SCOPE,…",
                  "what it may do: submit, read, operate (cancel), admin (whatever there is); " KEY_SCOPES },
                { "--rate", 0, NULL, &k.rate_text, "N", "requests a minute, at each gateway; 0 = as many as it likes" },
                { 0 },
        };
        return key_with(self, argc, argv, own, &k, key_add);
}

static int key_run_ls(const struct command *self, int argc, char **argv)
{
        struct keyring k = { 0 };
        const struct own_flag own[] = { { "--json", 0, &k.json, NULL, NULL, "print one JSON array" }, { 0 } };
        return key_with(self, argc, argv, own, &k, NULL);
}

static int key_run_revoke(const struct command *self, int argc, char **argv)
{
        struct keyring k = { 0 };
        const struct own_flag own[] = { { 0 } };
        return key_with(self, argc, argv, own, &k, key_revoke);
}

static const struct command key_verbs[] = {
        {
                .name = "key add",
                .summary = "Make a key and print it, this once",
                .usage = "NAME [--scopes SCOPE,…] [--rate N]",
                .example = "  chard key add website --scopes submit,read --rate 600",
                .details =
                        "The store keeps its digest alone. From the first key on gateways ask for one, also after it was revoked.",
                .run = key_run_add,
        },
        {
                .name = "key ls",
                .summary = "List keys, without their secrets",
                .usage = "[--json]",
                .example = "  chard key ls",
                .run = key_run_ls,
        },
        {
                .name = "key revoke",
                .summary = "Refuse a key from now on",
                .usage = "ID | NAME",
                .example = "  chard key revoke website",
                .details = "Running gateways refuse it within two seconds. Those of one name are revoked together.",
                .run = key_run_revoke,
        },
};

enum { KEY_VERBS = sizeof(key_verbs) / sizeof(key_verbs[0]) };

static int key_run(const struct command *self, int argc, char **argv)
{
        if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
                printf("usage: chard %s %s\n\n%s.\n\n", self->name, self->usage, self->summary);
                for (size_t i = 0; i < KEY_VERBS; i++)
                        printf("  %-7s %s\n", strchr(key_verbs[i].name, ' ') + 1, key_verbs[i].summary);
                printf("\nEach has --help with an example.\n\nexample:\n%s\n", self->example);
                return argc == 0 ? EXIT_USAGE : EXIT_DONE;
        }
        for (size_t i = 0; i < KEY_VERBS; i++)
                if (strcmp(strchr(key_verbs[i].name, ' ') + 1, argv[0]) == 0)
                        return key_verbs[i].run(&key_verbs[i], argc - 1, argv + 1);
        return command_misuse(self, "unknown word \"%.60s\"; there are add, ls and revoke", argv[0]);
}

const struct command command_key = {
        .name = "key",
        .summary = "Say who may use the HTTP gateway: make, list and revoke keys",
        .usage = "add NAME … | ls | revoke …",
        .example = "  chard key add website\n  chard key ls",
        .run = key_run,
};
