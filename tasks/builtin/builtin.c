/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/builtin/builtin.h"

extern const struct task_def chard_echo, chard_note, chard_add, chard_same, chard_args, chard_fail, chard_failed,
        celery_accumulate, celery_backend_cleanup, celery_map, celery_starmap, celery_chain, celery_group, celery_chord,
        celery_chunks, celery_chord_unlock;

static const struct task_def *const builtin_tasks[] = { &chard_echo,
                                                        &chard_note,
                                                        &chard_add,
                                                        &chard_same,
                                                        &chard_args,
                                                        &chard_fail,
                                                        &chard_failed,
                                                        &celery_accumulate,
                                                        &celery_backend_cleanup,
                                                        &celery_map,
                                                        &celery_starmap,
                                                        &celery_chain,
                                                        &celery_group,
                                                        &celery_chord,
                                                        &celery_chunks,
                                                        &celery_chord_unlock,
                                                        NULL };

const struct domain builtin = { .name = "builtin", .tasks = builtin_tasks };
