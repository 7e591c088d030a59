/* SPDX-License-Identifier: Apache-2.0 */
/* chard's public C interface, version 0.1. It has two parts that may be used apart from each other:
 *
 *   chard/producer.h  Producers (link with libchard): make signatures, chains, groups and chords, send them to workers that speak Celery's
 *                     message protocol (chard's, or Celery's own in Python), and wait for what they return.
 *
 *   chard/plugin.h    Task plug-ins (link with nothing): write tasks for `chard worker --tasks ./mine.so`.
 *
 * In both, JSON crosses as UTF-8 text that ends with NUL. Functions and types that are here stay as they are within a major version of the library's
 * soname. */
#ifndef CHARD_H
#define CHARD_H

#include "chard/plugin.h"
#include "chard/producer.h"

#endif
