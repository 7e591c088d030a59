/* SPDX-License-Identifier: Apache-2.0 */
/* Carrying what a store holds to another one (`chard move`): rows leave as JSON objects, times as ISO 8601, bytes as
 * hexadecimal, JSON values as their text, and arrive with what the other store already has left alone. */
#ifndef CHARD_STORE_CARRY_H
#define CHARD_STORE_CARRY_H

/* In the order in which they must be carried: who finds a task's message finds its row too, and runs nothing twice. */
enum carried {
        CARRY_JOBS,
        CARRY_TASKS,
        CARRY_EVENTS, /* with those outbox rows that are still there */
        CARRY_FACTS,
        CARRY_AUDITS, /* what was done to dead letters */
        CARRY_DEAD,
        CARRY_UNTOLD, /* results that are owed */
        CARRY_SCHEDULED,
        CARRY_KINDS,
};

#endif
