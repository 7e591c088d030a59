# SPDX-License-Identifier: Apache-2.0
"""libchard reaches Redis by the link that workers have: TLS, sentinels, sockets, users, prefixes; and what it says when that breaks. A result is
written by the test in the place of a worker."""

import contextlib
import json
import threading
import types
import uuid

import pytest
import redis as client
import servers
from support import fleet, libchard
from support.libchard import QUEUE, SUM, Client, Failed, add
from support.waiting import wait_until

KEY = "celery-task-meta-"
CHORD = {"chord": [{"group": [add(1, 2), add(3, 4)]}, SUM]}


@pytest.fixture(scope="module")
def broker(canvas_broker):
    fleet.make_app(canvas_broker, "rpc://").amqp.queues[QUEUE](fleet.make_app(canvas_broker, "rpc://").connection().channel()).declare()
    return canvas_broker


@pytest.fixture(scope="module")
def watched():
    """A Redis with and without TLS, each way watched by a sentinel, and somebody else's authority."""
    with servers.Redis(tls=True) as server, servers.Sentinel(server, "plain", password="watch") as plain, \
            servers.Sentinel(server, "safe", tls=True) as safe:
        assert server.ask("ACL", "SETUSER", "producer", "on", ">s3:cr,t/", "resetkeys", "~mine_celery-task*", "resetchannels",
                          "&mine_celery-task*", "-@all", "+get", "+set", "+del", "+subscribe", "+unsubscribe", "+select") == "+OK\r\n"
        stranger = servers.make_certificates(server.make_folder("other")).authority
        yield types.SimpleNamespace(server=server, plain=plain, safe=safe, stranger=stranger)


def ways(watched):
    """URL, database, what all keys begin with."""
    server, password = watched.server, watched.server.password()
    sentinels = ";".join(f"sentinel://:{password}@127.0.0.1:{port}/2" for port in (servers.free_port(), watched.plain.port))
    return {
        "tls": (server.tls_url(), 0, ""),
        "socket": (f"redis+socket://producer:s3%3Acr%2Ct%2F@{server.socket}?virtual_host=3&global_keyprefix=mine", 3, "mine_"),
        "sentinels": (f"{sentinels}?master_name=plain&sentinel_password=watch", 2, ""),
        "sentinel_tls": (f"sentinel://:{password}@localhost:{watched.safe.tls_port}?master_name=safe&sentinel_ssl=true"
                         f"&ssl_cert_reqs=required&ssl_ca_certs={server.tls.authority}", 0, ""),
    }


@contextlib.contextmanager
def waiting(handle, id):
    """Waits for it on a thread; what it brought is in the list that this gives, once the block has ended."""
    brought = []

    def wait():
        try:
            brought.append(handle.wait(id))
        except Failed as failed:
            brought.append(failed)

    thread = threading.Thread(target=wait)
    thread.start()
    yield brought
    thread.join(40)
    assert not thread.is_alive()


def done(result):
    return json.dumps({"status": "SUCCESS", "result": result})


def listeners(store, key):
    return store.pubsub_numsub(key)[0][1]


@pytest.mark.parametrize("way", ["tls", "socket", "sentinels", "sentinel_tls"])
def test_each_way_to_redis(broker, watched, way):
    url, db, prefix = ways(watched)[way]
    with client.Redis.from_url(f"{watched.server.url[:-1]}{db}") as store, Client(broker, url) as handle:
        id, _ = handle.apply(CHORD)
        assert [store.get(key) for key in store.keys(f"{prefix}celery-taskset-meta-*.s")] == [b"2"]
        key = f"{prefix}{KEY}{id}"
        with waiting(handle, id) as brought:
            wait_until(lambda: listeners(store, key) == 1)
            store.set(key, json.dumps({"status": "STARTED", "result": None}))
            store.publish(key, "{}")
            store.set(key, done(10))
            store.publish(key, "{}")
        assert brought == [10]
        wait_until(lambda: listeners(store, key) == 0)
        assert handle.wait(id, 0) == 10
        store.flushdb()


def test_why_it_can_not_be_opened(broker, watched, tmp_path):
    server, password = watched.server, watched.server.password()
    (tmp_path / "no.pem").write_text("no certificate")
    sentinel = f"sentinel://:{password}@127.0.0.1:{watched.plain.port}?sentinel_password=watch&master_name="
    for url, code, words in (
            (server.tls_url(ssl_ca_certs=watched.stranger), libchard.UNREACHABLE, "certificate is not accepted"),
            (server.tls_url(ssl_ca_certs=tmp_path / "no.pem"), libchard.BAD_ARGUMENT, "ssl_ca_certs"),
            (server.url.replace(password, "wrong"), libchard.ACCESS, "WRONGPASS"),
            (f"{server.url[:-1]}99", libchard.REFUSED, "out of range"),
            (f"{sentinel}other", libchard.UNREACHABLE, "no master of that name"),
            (f"sentinel://127.0.0.1:{servers.free_port()}?master_name=plain", libchard.UNREACHABLE, "Connection refused"),
            (f"redis+socket://{tmp_path}/none.sock", libchard.UNREACHABLE, "no such file"),
            (f"sentinel://127.0.0.1:{watched.plain.port}", libchard.BAD_ARGUMENT, "master_name")):
        with pytest.raises(Failed) as failed:
            Client(broker, url, connect_timeout_ms=2000)
        assert failed.value.code == code and words in failed.value.text, (url, str(failed.value))


def test_a_sentinel_that_is_behind(broker, redis):
    """Cut off from the others, it names a master that is gone: the others are asked as well."""
    with servers.Redis() as gone, servers.Sentinel(gone) as behind, servers.Sentinel(redis) as ahead:
        gone.kill()
        url = ";".join(f"sentinel://:{redis.password()}@127.0.0.1:{one.port}/0" for one in (behind, ahead))
        with Client(broker, f"{url}?master_name=chard") as handle, pytest.raises(Failed) as failed:
            handle.wait(str(uuid.uuid4()), 0)
        assert failed.value.code == libchard.TIMED_OUT


def test_a_wait_goes_on_over_a_new_connection(broker, redis):
    """What was written while nobody could hear is found; others that wait are not disturbed."""
    ids = [str(uuid.uuid4()) for _ in range(3)]
    with client.Redis.from_url(redis.url) as store, Client(broker, redis.url) as handle, contextlib.ExitStack() as stack:
        brought = [stack.enter_context(waiting(handle, id)) for id in (*ids, ids[0])]
        wait_until(lambda: all(listeners(store, KEY + id) == 1 for id in ids))
        before = int(store.info("stats")["total_connections_received"])
        with store.pipeline() as at_once:  # before anybody can be back
            at_once.client_kill_filter(_type="pubsub")
            at_once.set(KEY + ids[0], done("unheard"), ex=60)
            at_once.execute()
        wait_until(lambda: all(listeners(store, KEY + id) == 1 for id in ids[1:]))
        assert int(store.info("stats")["total_connections_received"]) == before + 1
        for id in ids[1:]:
            store.set(KEY + id, done(id), ex=60)
            store.publish(KEY + id, "{}")
        stack.close()
        assert brought == [["unheard"], [ids[1]], [ids[2]], ["unheard"]]


def test_a_full_redis_says_so_and_is_read(broker, private_redis):
    """No size can be counted there; what others wait for comes all the same."""
    server = private_redis(config={"maxmemory-policy": "noeviction"})
    id = str(uuid.uuid4())
    with client.Redis.from_url(server.url) as store, Client(broker, server.url) as handle, waiting(handle, id) as brought:
        wait_until(lambda: listeners(store, KEY + id) == 1)
        store.config_set("maxmemory", 1)
        with pytest.raises(Failed, match="OOM command not allowed") as failed:
            handle.apply(CHORD)
        assert failed.value.code == libchard.REFUSED
        store.config_set("maxmemory", 0)
        store.set(KEY + id, done(1))
        store.publish(KEY + id, "{}")
    assert brought == [1]


def test_a_redis_that_falls_silent(broker, redis, toxic):
    """Whoever asks is told after the time that connecting may take; the next one asks over a new connection."""
    link = toxic(redis.port)
    id = str(uuid.uuid4())
    with client.Redis.from_url(redis.url) as store, Client(broker, link.url(redis.url), connect_timeout_ms=500) as handle:
        store.set(KEY + id, done(1), ex=60)
        assert handle.wait(id, 0) == 1
        link.mute()
        with pytest.raises(Failed, match="it does not answer") as failed:
            handle.wait(id, 0)
        assert failed.value.code == libchard.UNREACHABLE
        link.heal()
        assert handle.wait(id, 0) == 1
