# SPDX-License-Identifier: Apache-2.0
"""Those of Celery's integration tests that can't pass with chard as the worker, by the reason. Whatever else fails is news."""

LATE = "chard acknowledges late: a task that runs is not acknowledged"
ONCE = "chard runs an id once"
ANSWERS = "chard answers where Celery is expected not to"
ARGUMENTS = "a plug-in's retry has the arguments that the task came with"
PROCESS = "looks into the Python process that the worker is there: its state, its signals, its log, its number, its report"
ORDER = "fails with Celery's own worker, too, behind tests that start others in the same process"

_CANVAS, _TASKS, _INSPECT = ("t/integration/test_canvas.py::", "t/integration/test_tasks.py::", "t/integration/test_inspect.py::test_Inspect::")

KNOWN = {
    _CANVAS + "test_chain::test_chord_header_id_duplicated_on_rabbitmq_msg_duplication[redis-group-ids]": ONCE,
    _CANVAS + "test_chord::test_reapplying_frozen_chord_dispatches_body_again": ONCE,
    _CANVAS + "test_chord::test_error_propagates_from_chord": ANSWERS,
    _INSPECT + "test_active": LATE,
    _INSPECT + "test_query_task": LATE,
    _TASKS + "test_tasks::test_retry_switches_from_kwargs_to_args": ARGUMENTS,
    _TASKS + "test_tasks::test_retry_switches_from_args_to_kwargs": ARGUMENTS,
    "t/integration/test_worker.py::test_pidbox_reset_after_repeated_control_errors": ORDER,
} | dict.fromkeys([
    _CANVAS + "test_stamping_mechanism::test_task_received_has_access_to_stamps",
    _CANVAS + "test_stamping_mechanism::test_linking_stamped_sig",
    _CANVAS + "test_stamping_mechanism::test_err_linking_stamped_sig",
    _INSPECT + "test_stats",
    _INSPECT + "test_report",
    _INSPECT + "test_hello_stamps_received_revoked_ids_locally",
    _TASKS + "test_tasks::test_send_task_without_ignore_result_uses_task_ignore_result",
    _TASKS + "test_tasks::test_send_task_without_ignore_result_stores_result",
    _TASKS + "test_tasks::test_revoked_by_headers_simple_canvas",
    _TASKS + "test_trace_log_arguments::test_task_success",
    _TASKS + "test_trace_log_arguments::test_task_failed",
    _TASKS + "test_task_redis_result_backend::test_retry_preserves_ignore_result_false",
    _TASKS + "test_task_redis_result_backend::test_retry_preserves_ignore_result_true",
    _TASKS + "test_task_replacement::test_replaced_task_nesting_level_0",
    _TASKS + "test_task_replacement::test_replaced_task_nesting_level_1",
    _TASKS + "test_task_replacement::test_replaced_task_nesting_chain",
    _TASKS + "test_signal_bound_method_receivers::test_each_instance_receives",
    _TASKS + "test_signal_bound_method_receivers::test_disconnect_leaves_other_instance_connected",
    _TASKS + "test_signal_bound_method_receivers::test_other_instance_receives_after_garbage_collection",
], PROCESS)
