/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor/doctor.h"

#include "core/json.h"

#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1024.0 * 1024)

enum { CLOCK_WARN_MS = 1000, CLOCK_FAIL_MS = 30000, CONNECTIONS_LEAST = 10, FILES_BESIDE = 100 };

void doctor_judge_clock(struct doctor *d, const char *whose, int64_t skew_ms, int64_t unsure_ms)
{
        const int64_t far_ms = llabs(skew_ms), sure_ms = far_ms > unsure_ms ? far_ms - unsure_ms : 0;
        const char *side = skew_ms < 0 ? "behind" : "ahead of";
        if (sure_ms < CLOCK_WARN_MS)
                doctor_say(d, DOCTOR_OK, "clock", "", "%s and this host agree to within %" PRId64 " ms", whose,
                           far_ms + unsure_ms);
        else
                doctor_say(d, sure_ms < CLOCK_FAIL_MS ? DOCTOR_WARN : DOCTOR_FAIL, "clock",
                           "set both clocks by NTP: what is scheduled goes out early or late by as much",
                           "%s is %.1f s %s this host", whose, (double)far_ms / 1000, side);
}

void doctor_judge_disk(struct doctor *d, const char *path, uint64_t free_bytes, uint64_t all_bytes)
{
        const double mib = (double)free_bytes / MIB;
        enum doctor_verdict verdict = DOCTOR_OK;
        if (mib < 64)
                verdict = DOCTOR_FAIL;
        else if (mib < 1024 && free_bytes < all_bytes / 20)
                verdict = DOCTOR_WARN;
        doctor_say(d, verdict, "disk",
                   verdict == DOCTOR_OK ? "" : "make room: with a full disk nothing is taken and nothing is committed",
                   "%.0f MiB are free where %s lies", mib, path);
}

static void judge_slot(struct doctor *d, const json_t *slot)
{
        const char *name = json_text(slot, "name", "?"), *wal = json_text(slot, "wal_status", "");
        const double lag_mib = (double)json_number(slot, "lag", 0) / MIB;
        if (strcmp(wal, "lost") == 0 || strcmp(wal, "unreserved") == 0)
                doctor_say(
                        d, DOCTOR_FAIL, "slot",
                        "raise max_slot_wal_keep_size; of a slot that is lost, drop it, make it anew, and let the connector take a snapshot",
                        "replication slot %s: its WAL is %s, events are missing behind it", name, wal);
        else if (!json_is_true(json_object_get(slot, "active")))
                doctor_say(d, DOCTOR_WARN, "slot",
                           "start its connector, or drop the slot: WAL is kept for it meanwhile",
                           "replication slot %s: nobody reads it, %.0f MiB behind", name, lag_mib);
        else
                doctor_say(d, lag_mib < 1024 ? DOCTOR_OK : DOCTOR_WARN, "slot",
                           lag_mib < 1024 ? ""
                                          : "see why its connector is slow: events come late, and WAL fills the disk",
                           "replication slot %s: WAL %s, %.0f MiB behind", name, *wal ? wal : "kept", lag_mib);
}

void doctor_judge_slots(struct doctor *d, const json_t *slots)
{
        size_t i;
        json_t *slot;
        json_array_foreach((json_t *)slots, i, slot)
                judge_slot(d, slot);
}

void doctor_judge_connections(struct doctor *d, int64_t used, int64_t most)
{
        const bool few = most - used < CONNECTIONS_LEAST;
        doctor_say(d, few ? DOCTOR_WARN : DOCTOR_OK, "store",
                   few ? "raise max_connections: each process of chard takes up to five" : "",
                   "%" PRId64 " of %" PRId64 " connections are taken", used, most);
}

void doctor_judge_files(struct doctor *d, uint64_t files, uint64_t calls)
{
        const uint64_t needed = calls + FILES_BESIDE;
        if (files >= needed)
                doctor_say(d, DOCTOR_OK, "limits", "", "%" PRIu64 " files may be open, %" PRIu64 " calls under way",
                           files, calls);
        else
                doctor_say(
                        d, DOCTOR_WARN, "limits",
                        "raise the limit of open files (LimitNOFILE, ulimit -Hn), or lower CHARD_SLOTS or CHARD_AI_CONNECTIONS",
                        "%" PRIu64 " files may be open, but %" PRIu64
                        " calls under way, each with a connection of its own where HTTP/2 is not spoken",
                        files, calls);
}

/* ---- permissions ---- */

/* RabbitMQ's patterns are Perl's; what POSIX can't read counts as fitting. */
static bool judge_fits(const char *pattern, const char *name)
{
        regex_t compiled;
        if (!*pattern)
                return false;
        if (regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) != 0)
                return true;
        const bool fits = regexec(&compiled, name, 0, NULL, 0) == 0;
        regfree(&compiled);
        return fits;
}

void doctor_judge_permissions(struct doctor *d, const struct broker_server *server)
{
        const struct {
                const char *what, *pattern;
        } rights[] = { { "configure", server->configure }, { "write", server->write }, { "read", server->read } };
        bool fine = true;
        for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
                const char *lacks = NULL;
                for (size_t q = 0; q < d->queue_count && !lacks; q++)
                        if (!judge_fits(rights[i].pattern, d->queues[q]))
                                lacks = d->queues[q];
                if (lacks)
                        doctor_say(
                                d, DOCTOR_FAIL, "broker",
                                "rabbitmqctl set_permissions: the patterns must fit all that chard topology show lists",
                                "the user %s may not %s %s", server->user, rights[i].what, lacks);
                fine = fine && !lacks;
        }
        if (fine)
                doctor_say(d, DOCTOR_OK, "broker", "", "the user %s may configure, write and read all queues",
                           server->user);
}
