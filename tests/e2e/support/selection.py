# SPDX-License-Identifier: Apache-2.0
"""Which end-to-end tests `make test` runs, and in which order."""

import itertools
import os
import re

import pytest

# Cases that take long and repeat what others of their function show, with more combinations: `make proof-matrix` runs them, which sets CHARD_TEST_MATRIX=full,
# and `make test` the others. A function without cases has others beside it that show the same.
MATRIX = {
    "test_branches.py": {
        "a_chord_whose_dead_parts_come_back": ["postgresql-client", "sqlite-worker"],
    },
    "test_broker_amqp.py": {
        "a_cut_link_loses_nothing": ["plain"],
        "a_half_open_connection_is_found_within_two_heartbeats": ["tls"],
    },
    "test_dlq.py": {
        "discard_edit_export_import": ["file"],
    },
    "test_dlq_operator.py": {
        "named_in_vain": ["servers"],
        "nothing_steers_the_terminal": ["servers"],
        "what_no_worker_can_read": ["file"],
    },
    "test_endpoint_faults.py": {
        "five_that_break_it_end_among_many_that_are_served": ["file"],
        "jobs_wait_while_the_endpoint_serves_nobody": ["key-file", "quota-servers", "model-servers", "moved-file"],
        "nobody_dies_in_an_outage_that_meets_few_calls": ["503-file", "broken off-servers"],
        "nobody_dies_in_an_outage_that_meets_one_task": ["503-file", "broken off-servers"],
        "the_keeper_tells_the_room_of_an_outage_and_of_its_end": ["file"],
        "who_breaks_the_endpoint_alone_ends": ["3-servers", "1-file"],
    },
    "test_faults.py": {
        "killed_at": ["file-claim/call", "file-call/judge", "file-call/commit"],
        "killed_while_a_task_waits": ["file-pause/ack"],
    },
    "test_gateway_keys.py": {
        "who_may_do_what": ["file"],
    },
    "test_jobs.py": {
        "cancelled_at_any_moment": ["file"],
    },
    "test_logs.py": {
        "no_secrets_and_no_words_of_users": ["text-file", "json-servers"],
    },
    "test_owed_results.py": {
        "told_when_redis_is_back": ["sqlite"],
    },
    "test_provider_trouble.py": {
        "a_429_pauses_the_whole_model": ["headers0-3-file", "headers1-3-servers", "headers2-3.5-file"],
        "scans_through_a_bad_day": ["file"],
    },
    "test_servers.py": {
        "nothing_is_left_when_the_starter_is_killed": ["guards"],
        "postgresql_keeps_commits_over_a_restart": ["fast", "immediate"],
        "rabbitmq_keeps_quorum_messages_over_restarts": None,  # test_broker_amqp.py: a_broker_that_restarts, a_broker_that_is_killed
        "rabbitmq_with_tls_and_under_a_memory_alarm": None,  # test_broker_amqp.py: its own server, a_memory_alarm_blocks_publishing_only
    },
    "test_top.py": {
        "a_store_that_does_not_answer_holds_up_no_key": ["half-open"],
    },
    "test_store_trouble.py": {
        "what_is_not_about_the_data_waits_however_often_it_fails": ["42501", "XX000"],
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
