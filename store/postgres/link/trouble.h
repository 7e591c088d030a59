/* SPDX-License-Identifier: Apache-2.0 */
/* What a failed transaction's SQLSTATE means for the group that was in it. Pure.
 * Source: PostgreSQL documentation, appendix A, "Error Codes". */
#ifndef CHARD_STORE_POSTGRES_LINK_TROUBLE_H
#define CHARD_STORE_POSTGRES_LINK_TROUBLE_H

enum trouble {
        TROUBLE_DATA, /* a row that can't be stored: split the group until it stands alone, and refuse it */
        TROUBLE_RACE, /* others were in the way (deadlock, serialization, the same event version): again, at once */
        TROUBLE_LINK, /* this session can't serve: reconnect, again */
        TROUBLE_WAIT, /* anything else (a lock, a full disk, a missing right): again, after a pause, in smaller groups */
};

/* `sqlstate` is five characters, or NULL when the server said nothing (the link broke). */
enum trouble trouble_of(const char *sqlstate);

#endif
