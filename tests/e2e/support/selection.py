# SPDX-License-Identifier: Apache-2.0
"""Which end-to-end tests `make test` runs, and in which order."""

import itertools
import os
import re

import pytest

# Cases that take long and repeat what others of their function show, with more combinations: `make proof-matrix` runs them, which sets CHARD_TEST_MATRIX=full,
# and `make test` the others. A function without cases has others beside it that show the same.
MATRIX = {
    "test_ai.py": {
        "five_thousand_at_once": None,  # an_outage_with_thousands_in_flight
    },
    "test_ai_attempts.py": {
        "a_lease_that_ran_out_is_not_spent": ["file"],
    },
    "test_bad_input.py": {
        "a_body_of_20_megabytes": ["file"],
        "a_task_with_a_bug_comes_to_an_end": ["file"],
    },
    "test_bench.py": {
        "a_quick_run_measures_all_three_parties": ["B1s,B8,R1,V1"],
    },
    "test_branches.py": {
        "a_chord_whose_dead_parts_come_back": ["postgresql-client", "sqlite-worker"],
        "a_step_with_a_countdown_longer_than_its_jobs_limit": ["postgresql"],
        "dead_branches_requeued_one_by_one": ["postgresql"],
        "killed_among_branches": ["sqlite-result/join", "postgresql-commit/publish", "sqlite-claim/call", "postgresql-publish/result", "sqlite-ack/end"],
    },
    "test_broker_amqp.py": {
        "a_broker_that_restarts": None,  # a_broker_that_is_killed
        "a_cut_link_loses_nothing": ["plain"],
        "a_half_open_connection_is_found_within_two_heartbeats": ["tls"],
    },
    "test_broker_limits.py": {
        "orderly_restarts_count_as_no_delivery": ["RabbitMQ 3"],
    },
    "test_chord_lost.py": {
        "forgotten_in_the_middle": ["postgresql-worker-flush", "postgresql-client-expire", "sqlite-worker-expire", "sqlite-client-flush"],
    },
    "test_cli.py": {
        "submit_waits_and_prints_the_answer_first": ["file"],
    },
    "test_consumers.py": {
        "two_processes_share_nothing_and_one_follows_the_other": ["sqlite"],
        "who_was_overtaken_makes_no_step": ["sqlite"],
    },
    "test_control.py": {
        "a_revoked_job_ends": ["postgresql"],
        "a_worker_that_ends_has_stored_what_it_was_told_to_revoke": ["sqlite"],
    },
    "test_dlq.py": {
        "a_policy_waits_for_a_paused_model": ["file"],
        "discard_edit_export_import": ["file"],
        "stale_jobs": ["servers"],
        "what_has_succeeded_is_not_run_again": ["file"],
    },
    "test_dlq_faults.py": {
        "killed_while_requeueing": None,  # the_store_goes_away_in_the_middle, the_broker_is_away
    },
    "test_dlq_operator.py": {
        "named_in_vain": ["servers"],
        "nothing_steers_the_terminal": ["servers"],
        "what_no_worker_can_read": ["file"],
    },
    "test_duties.py": {
        "one_leads_and_another_follows": ["file"],
    },
    "test_endpoint_faults.py": {
        "five_that_break_it_end_among_many_that_are_served": ["file"],
        "jobs_wait_while_the_endpoint_serves_nobody": ["key-file", "quota-servers", "model-servers", "moved-file", "quota-file", "moved-servers"],
        "nobody_dies_in_an_outage_that_meets_few_calls": ["503-file", "broken off-servers", "broken off-file"],
        "nobody_dies_in_an_outage_that_meets_one_task": ["503-file", "broken off-servers"],
        "the_keeper_tells_the_room_of_an_outage_and_of_its_end": ["file"],
        "who_breaks_it_while_others_are_served_ends_as_ever": ["file"],
        "who_breaks_the_endpoint_alone_ends": ["3-servers", "1-file", "3-file"],
    },
    "test_events_seal.py": {
        "a_change_is_found": ["missing-servers", "its time-servers", "changed-file", "all of a day-file"],
        "a_keeper_seals": ["file"],
        "as_it_was_sealed": ["servers"],
    },
    "test_fault_edges.py": {
        "killed_as_a_dead_letter_finds_no_queue": ["servers"],
        "killed_as_a_task_gives_up": ["file"],
        "killed_as_what_is_written_once_turns_out_stale": ["file"],
    },
    "test_faults.py": {
        "killed_again_over_the_redelivery": ["file-claim/ack", "servers-claim/dead", "file-claim/publish", "servers-claim/bury"],
        "killed_at": ["file-claim/call", "file-call/judge", "file-call/commit", "servers-judge/commit"],
        "killed_over_an_unreadable_message": ["servers-bury/ack", "file-dead/bury", "servers-decode/dead"],
        "killed_while_a_task_dies": ["file-call/dead", "servers-bury/ack", "file-dead/bury"],
        "killed_while_a_task_waits": ["file-pause/ack", "servers-call/retry", "file-call/pause", "servers-retry/ack", "file-pause/call"],
        "killed_with_an_early_message": ["file"],
    },
    "test_gateway_keys.py": {
        "a_stream_ends_with_its_key": ["servers"],
        "who_may_do_what": ["file"],
    },
    "test_image.py": {
        "the_same_bytes_twice": None,  # test_deb.py: the_same_bytes_twice
    },
    "test_jobs.py": {
        "cancelled_at_any_moment": ["file"],
        "status_shows_what_is_stuck_or_paused_and_who_leads": ["file"],
        "what_no_queue_takes_is_told_once_and_can_be_dropped": ["servers"],
        "what_runs_ends_without_effect": ["file"],
    },
    "test_liveness.py": {
        "a_broker_that_restarts": None,  # a_restart_of_everything_is_two_lines_each
        "a_broker_under_a_memory_alarm": None,  # test_results_hostile.py: events_and_results_while_the_broker_takes_nothing
        "a_link_breaks": ["broker-half_open"],
    },
    "test_logs.py": {
        "no_secrets_and_no_words_of_users": ["text-file", "json-servers"],
    },
    "test_metrics.py": {
        "a_consumer_shows_what_it_deals_with": ["file"],
        "an_unknown_number_is_an_error_and_no_zero": ["store"],
        "figures_equal_store_and_ledger": ["file"],
    },
    "test_owed_results.py": {
        "a_state_on_the_way_never_follows_an_end": ["sqlite"],
        "owed_by_a_worker_that_was_killed": ["sqlite"],
        "told_when_redis_is_back": ["sqlite"],
    },
    "test_payments.py": {
        "a_payment_that_fails_gives_all_back_and_one_that_was_processed_is_never_compensated": ["servers"],
    },
    "test_plugin.py": {
        "facts_are_kept_and_seen": ["servers"],
    },
    "test_provider_trouble.py": {
        "a_429_pauses_the_whole_model": ["headers0-3-file", "headers1-3-servers", "headers2-3.5-file", "headers0-3-servers", "headers1-3-file"],
        "scans_through_a_bad_day": ["file"],
        "three_retries_then_dead": ["file"],
    },
    "test_read_models.py": {
        "what_a_document_meets": ["servers"],
    },
    "test_servers.py": {
        "nothing_is_left_when_the_starter_is_killed": ["guards"],
        "postgresql_keeps_commits_over_a_restart": ["fast", "immediate"],
        "rabbitmq_keeps_quorum_messages_over_restarts": None,  # test_broker_amqp.py: a_broker_that_is_killed; test_liveness.py: a_restart_of_everything_is_two_lines_each
        "rabbitmq_with_tls_and_under_a_memory_alarm": None,  # test_broker_amqp.py: its own server, a_memory_alarm_blocks_publishing_only
    },
    "test_shutdown.py": {
        "what_does_not_finish_is_handed_back": ["file"],
        "what_runs_is_finished": ["file"],
    },
    "test_store.py": {
        "a_large_result_is_kept": ["sqlite"],
        "a_live_lease_holds_off_others_until_it_ends": ["sqlite"],
    },
    "test_store_sqlite.py": {
        "what_is_not_about_the_data_waits_however_often_it_fails": ["trigger"],
    },
    "test_store_trouble.py": {
        "what_is_not_about_the_data_waits_however_often_it_fails": ["42501", "XX000", "53100"],
    },
    "test_top.py": {
        "a_store_that_does_not_answer_holds_up_no_key": ["half-open"],
        "it_shows_the_fleet_and_hears_keys": ["file"],
    },
    "test_tracing.py": {
        "a_scan_is_one_trace": ["file"],
        "a_trace_goes_from_the_request_to_the_last_event": ["file"],
    },
    "test_webhooks.py": {
        "it_is_told_until_it_is_taken": ["servers"],
        "private_addresses_are_refused": ["servers"],
        "the_end_of_a_job_is_told": ["file"],
    },
}


def case(item):
    """(file, function without test_, its parameters or "")"""
    function, _, parameters = item.name.partition("[")
    return item.path.name, function.removeprefix("test_"), parameters.removesuffix("]")


def is_of_matrix(item):
    file, function, parameters = case(item)
    cases = MATRIX.get(file, {}).get(function, [])
    return cases is None or parameters in cases


def mistakes(items):
    """What MATRIX names and is not there, and functions of which nothing would be left, in the files that are here."""
    there = {}
    for item in items:
        file, function, parameters = case(item)
        there.setdefault(file, {}).setdefault(function, set()).add(parameters)
    for file, function, cases in ((file, *entry) for file in MATRIX if file in there for entry in MATRIX[file].items()):
        found = there[file].get(function, set())
        if lost := set(cases or ()) - found if found else {"any"}:
            yield f"{file}::test_{function} has no case {', '.join(sorted(lost))}"
        elif cases and not found - set(cases):
            yield f"{file}::test_{function} has no case that is not of the matrix"


def select(config, items):
    """Marks the matrix, and leaves it out, unless it is wanted or a test is named."""
    for item in filter(is_of_matrix, items):
        item.add_marker("matrix")
    if os.environ.get("CHARD_TEST_MATRIX") == "full" or config.option.keyword or any("::" in word for word in config.args):
        return
    if wrong := list(mistakes(items)):
        raise pytest.UsageError("support/selection.py: " + "; ".join(wrong))
    config.hook.pytest_deselected(items=list(filter(is_of_matrix, items)))
    items[:] = itertools.filterfalse(is_of_matrix, items)


def order(items, workers):
    """What a module shares between its tests (servers, packages, workers of two kinds) is made once for each worker of pytest-xdist that runs some of them. Each of
    those begins with a share of the list and takes from the end of others' shares when it is through: so such modules begin a share."""
    shares = [[] for _ in range(workers)]
    modules = {}
    for item in items:
        modules.setdefault(item.path, []).append(item)
    for path in [path for path in modules if re.search(r'fixture\(scope="module"', path.read_text(encoding="utf-8"))]:
        min(shares, key=len).extend(modules.pop(path))
    rest = [item for found in modules.values() for item in found]
    size = -(-len(items) // workers)
    for share in shares:
        more = max(0, size - len(share))
        share += rest[:more]
        del rest[:more]
    items[:] = [item for share in shares for item in share] + rest
