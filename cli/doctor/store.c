/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor/doctor.h"

#include "cli/common/wait.h"
#include "core/clock.h"
#include "core/json.h"
#include "store/read.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { STORE_SLOW_MS = 100 };

struct store_look {
        struct wait wait;
        json_t *said; /* owned */
        struct problem why;
        bool failed;
};

static const char *store_advice(const char *code)
{
        static const struct {
                const char *code, *advice;
        } rows[] = {
                { "schema_missing", "run: chard migrate" },
                { "schema_too_old", "run: chard migrate" },
                { "schema_too_new", "run the chard that made it, or a newer one" },
                { "unreachable", "see that it runs, and that CHARD_STORE_URL names it" },
                { "bad_url", "set CHARD_STORE_URL: postgresql://… or sqlite:FILE" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (strcmp(rows[i].code, code) == 0)
                        return rows[i].advice;
        return "see CHARD_STORE_URL, and the rights of its user";
}

static void store_on_said(json_t *value, const struct problem *why, void *arg)
{
        struct store_look *look = (struct store_look *)arg;
        json_decref(look->said);
        look->said = json_incref(value);
        look->failed = why != NULL;
        if (why)
                look->why = *why;
        wait_done(&look->wait);
}

/* Twice: the first answer also prepares. Of the second one the time counts. False where there is none. */
static bool store_ask(struct store_look *look, struct store *store, uint64_t *took_us, int64_t *middle_ms)
{
        for (int i = 0; i < 2; i++) {
                const uint64_t began_us = clock_mono_us();
                const int64_t began_ms = clock_wall_ms();
                store->read->examine(store, store_on_said, look);
                if (!wait_for(&look->wait, DOCTOR_ANSWER_MS) || look->failed || !look->said)
                        return false;
                *took_us = clock_mono_us() - began_us;
                *middle_ms = began_ms + (int64_t)(*took_us / 2000);
        }
        return true;
}

static void store_judge(struct doctor *d, const json_t *said, uint64_t took_us, int64_t middle_ms)
{
        const bool slow = took_us > STORE_SLOW_MS * 1000ULL;
        const int64_t now_ms = json_number(said, "now_us", 0) / 1000, most = json_number(said, "connections_max", 0);
        doctor_say(d, slow ? DOCTOR_WARN : DOCTOR_OK, "store",
                   slow ? "bring it nearer, or see what keeps it busy: each task asks it several times" : "",
                   "%s, schema %lld, answers in %.1f ms", json_text(said, "server", "?"),
                   (long long)json_number(said, "schema", 0), (double)took_us / 1000);
        if (json_is_true(json_object_get(said, "standby")))
                doctor_say(d, DOCTOR_FAIL, "store", "name the primary in CHARD_STORE_URL",
                           "it is a standby, which takes no writes");
        if (most > 0)
                doctor_judge_connections(d, json_number(said, "connections", 0), most);
        doctor_judge_slots(d, json_object_get(said, "slots"));
        if (!doctor_file_of(d->settings->store_url))
                doctor_judge_clock(d, "the store", now_ms - middle_ms, 1 + (int64_t)(took_us / 2000));
}

static void store_judge_file(struct doctor *d, const char *path)
{
        struct statvfs disk;
        if (statvfs(path, &disk) == 0)
                doctor_judge_disk(d, path, (uint64_t)disk.f_bavail * disk.f_frsize,
                                  (uint64_t)disk.f_blocks * disk.f_frsize);
        if (access(path, R_OK | W_OK) != 0)
                doctor_say(d, DOCTOR_FAIL, "store", "give this user the right to write it, and its folder",
                           "%s can't be written by this user", path);
}

void doctor_look_at_store(struct doctor *d)
{
        struct store_look look = { .said = NULL };
        struct store *store = NULL;
        const char *path = doctor_file_of(d->settings->store_url);
        uint64_t took_us = 0;
        int64_t middle_ms = 0;
        if (path && access(path, F_OK) != 0) {
                doctor_say(d, DOCTOR_FAIL, "store", "run: chard migrate (or chard dev)", "there is no file %s", path);
                return;
        }
        wait_open(&look.wait);
        const struct store_config config = { .loop = &look.wait.loop,
                                             .url = d->settings->store_url,
                                             .owner = "chard doctor",
                                             .connect_timeout_ms = (unsigned)d->settings->connect_timeout_ms };
        const int code = store_open(&store, &config, &look.why);
        if (code)
                doctor_say(d, DOCTOR_FAIL, "store", code > 0 ? store_advice(look.why.code) : "", "%s",
                           code > 0 ? look.why.text : strerror(-code));
        else if (store_ask(&look, store, &took_us, &middle_ms))
                store_judge(d, look.said, took_us, middle_ms);
        else
                doctor_say(d, DOCTOR_FAIL, "store", "see its log, and what locks it", "%s",
                           look.failed ? look.why.text : "it takes connections, but does not answer");
        if (store)
                store->backend->close(store);
        wait_close(&look.wait);
        json_decref(look.said);
        if (path)
                store_judge_file(d, path);
}
