# SPDX-License-Identifier: Apache-2.0
"""Results in Redis the ways that Celery's URLs name them: TLS, sentinels, sockets, users, prefixes; and every trouble that a Redis
can make: none may lose a task, or keep a worker from others."""

import contextlib
import socket
import threading
import types

import pytest
import redis as client
import servers
from celery import chord, group
from redis.sentinel import MasterNotFoundError
from support.celery_app import QUEUE
from support.waiting import wait_until as wait

KEY = "celery-task-meta-"


def add(app, *args, **options):
    return app.send_task("chard.add", args, queue=QUEUE, **options)


# ---- TLS ----


@pytest.fixture(scope="module")
def tls():
    """A Redis that speaks TLS and asks clients for a certificate; what the worker shows; and somebody else's authority."""
    with servers.Redis(tls=True, client_certificates=True, config={"bind": "127.0.0.1 127.0.0.2"}) as server:
        other = server.make_folder("other")
        yield types.SimpleNamespace(server=server, stranger=servers.make_certificates(other).authority,
                                    shown={"ssl_certfile": server.tls.certificate, "ssl_keyfile": server.tls.key})


def test_over_tls(chard, app_of, tls):
    """A client certificate, the authority, the host's name; a large result as well, which takes many records."""
    url = tls.server.tls_url(**tls.shown)
    app, text = app_of(url), "\N{SNOWMAN}" * 1_000_000
    with chard.prepare().worker(queues=QUEUE, result_url=url):
        assert add(app, 1, 2).get(20) == 3
        assert app.send_task("chard.same", [text], queue=QUEUE).get(30) == text
        results = [add(app, number) for number in range(100)]
        assert [one.get(20) for one in results] == list(range(100))


def test_tls_that_is_not_to_be_trusted(chard, app_of, tls, queues, wait_until):
    """Said in the log, with the reason; the work is done, its results wait, and the next worker stores them."""
    good = tls.server.tls_url(**tls.shown)
    app = app_of(good)
    chard.prepare()
    sent = []
    for url, says in {
        tls.server.tls_url(**tls.shown | {"ssl_ca_certs": tls.stranger}): "Redis away: its certificate is not accepted",
        tls.server.tls_url(host="127.0.0.2", **tls.shown): "IP address mismatch",
        tls.server.tls_url(): "Redis away: (TLS: .*certificate required|connection reset by peer)",  # its alert may come too late
        f"rediss://:{tls.server.password()}@localhost:{tls.server.port}": "no answer while connecting",  # a port without it
    }.items():
        with chard.worker(queues=QUEUE, result_url=url, grace_ms=100, connect_timeout_ms=1000) as worker:
            worker.wait_log(says)
            sent.append(add(app, len(sent)))
            wait_until(lambda: queues.depth(QUEUE) == 0)
    with chard.worker(queues=QUEUE, result_url=good):
        assert [one.get(20) for one in sent] == list(range(len(sent)))


@pytest.mark.parametrize("parameters", [{"ssl_cert_reqs": "none"}, {"ssl_check_hostname": "false"}])
def test_tls_that_checks_less(chard, app_of, tls, parameters):
    url = tls.server.tls_url(host="127.0.0.2", **tls.shown | parameters)
    app = app_of(tls.server.tls_url(**tls.shown))
    with chard.prepare().worker(queues=QUEUE, result_url=url):
        assert add(app, 1, 2).get(20) == 3


def test_certificates_that_can_not_be_used(chard, tmp_path):
    """Said at the start; what else can be wrong with a URL is in tests/unit/test_redis_address.c."""
    chard.prepare()
    (tmp_path / "no.pem").write_text("no certificate")
    for url, says in {
        "rediss://h?ssl_cert_reqs=required&ssl_ca_certs=/no/such.pem": "ssl_ca_certs of the Redis result URL, /no/such.pem,",
        f"rediss://h?ssl_certfile={tmp_path}/no.pem": "ssl_certfile of the Redis result URL",
        "rediss://h?ssl_keyfile=/no/such.pem": "no ssl_certfile",
    }.items():
        done = chard.run("worker", "-Q", QUEUE, env={"CHARD_RESULT_URL": url}, check=2)
        assert says in done.stderr, (url, done.stderr)


# ---- users, prefixes, sockets ----


def test_a_socket_a_user_a_prefix(chard, app_of, private_redis):
    """As narrow as an administrator may make it: a user who may touch Celery's keys only, and may not even PING."""
    server = private_redis()
    assert server.ask("ACL", "SETUSER", "worker", "on", ">s3:cr,t/", "resetkeys", "~mine_celery-task*", "resetchannels",
                      "&mine_celery-task*", "-@all", "+eval", "+get", "+setex", "+set", "+publish", "+select", "+sadd", "+incrby", "+zadd",
                      "+expire", "+zcard", "+zrange", "+del") == "+OK\r\n"
    app = app_of(f"{server.url[:-1]}3", result_backend_transport_options={"global_keyprefix": "mine"})
    password = "s3%3Acr%2Ct%2F"
    for url in (f"redis+socket://worker:{password}@{server.socket}?virtual_host=3&global_keyprefix=mine",
                f"redis+socket://{server.socket}?db=3&username=worker&password={password}&global_keyprefix=mine",
                f"redis://worker:{password}@127.0.0.1:{server.port}/3?global_keyprefix=mine_"):
        with chard.prepare().worker(queues=QUEUE, result_url=url):
            one = add(app, 1, 2)
            assert one.get(20) == 3
            header = [app.signature("chard.add", [number]) for number in range(3)]
            nested = app.signature("chard.args")
            assert chord(header, nested).apply_async().get(20) == {"args": [[0, 1, 2]], "kwargs": {}}
            deep = chord([app.signature("chard.add", [10]) | group(header), app.signature("chard.add", [7])], nested)
            assert deep.apply_async().get(20) == {"args": [[[10, 11, 12], 7]], "kwargs": {}}
    with client.Redis.from_url(f"{server.url[:-1]}3") as store:
        keys = [key.decode() for key in store.keys("*")]
        assert f"mine_{KEY}{one.id}" in keys and all(key.startswith("mine_celery-") for key in keys)


# ---- sentinels ----


@pytest.fixture
def watched():
    """A master, its replica, and two sentinels with a password of their own, ready to fail over."""
    with contextlib.ExitStack() as stack:
        master = stack.enter_context(servers.Redis())
        replica = stack.enter_context(servers.Redis(replica_of=master))
        sentinels = [stack.enter_context(servers.Sentinel(master, password="watch")) for _ in range(2)]
        wait(lambda: all("slaves=1,sentinels=2" in one.ask("INFO", "sentinel") for one in sentinels), 30)
        wait(lambda: "master_link_status:up" in replica.ask("INFO", "replication"), 30)
        yield types.SimpleNamespace(master=master, replica=replica, sentinels=sentinels)


def sentinel_url(watched, dead=0):
    """With so many first that nobody answers at."""
    ports = [servers.free_port() for _ in range(dead)] + [one.port for one in watched.sentinels]
    return ";".join(f"sentinel://:{watched.master.password()}@127.0.0.1:{port}/2" for port in ports)


def got(app, sent):
    """Their results, by a client that finds nobody while a sentinel, on a busy machine, takes the master for dead for a moment."""
    try:
        return [app.AsyncResult(one.id).get(20) for one in sent]
    except MasterNotFoundError:
        return None


@pytest.mark.timeout(120)
def test_sentinels_and_failover(chard, app_of, watched, queues, wait_until):
    """The master dies with tasks under way: the next one has all their results, each a client can read by Celery's own sentinel
    backend. Then the master moves back, alive on both ends."""
    options = {"master_name": "chard", "sentinel_kwargs": {"password": "watch"}}
    url = sentinel_url(watched)
    app, by_rpc = app_of(url, result_backend_transport_options=options), app_of("rpc://")
    own = sentinel_url(watched, dead=1) + "?master_name=chard&sentinel_password=watch"
    with chard.prepare().worker(queues=QUEUE, result_url=own) as worker:
        first = add(by_rpc, 1, 2)
        assert wait_until(lambda: got(app, [first])) == [3]
        watched.master.kill()
        sent = [add(by_rpc, number) for number in range(50)]
        worker.wait_log("Redis away")
        wait_until(lambda: queues.depth(QUEUE) == 0)  # the work goes on
        worker.wait_log("Redis is back", 40)
        assert wait_until(lambda: got(app, sent), 60) == list(range(50))
        assert "role:master" in watched.replica.ask("INFO", "replication")

        watched.master.start()
        wait_until(lambda: "role:slave" in watched.master.ask("INFO", "replication"), 30)
        wait_until(lambda: "master_link_status:up" in watched.master.ask("INFO", "replication"), 30)
        wait_until(lambda: "OK" in watched.sentinels[0].ask("SENTINEL", "FAILOVER", "chard"), 30)
        wait_until(lambda: "role:master" in watched.master.ask("INFO", "replication"), 30)
        back = [add(by_rpc, number) for number in range(50)]
        assert wait_until(lambda: got(app, back), 60) == list(range(50))


def test_sentinels_over_tls(chard, app_of):
    with servers.Redis(tls=True) as master, servers.Sentinel(master, tls=True) as sentinel:
        app = app_of(master.url)
        url = (f"sentinel://:{master.password()}@localhost:{sentinel.tls_port}?master_name=chard&sentinel_ssl=true"
               f"&ssl_cert_reqs=required&ssl_ca_certs={master.tls.authority}")
        with chard.prepare().worker(queues=QUEUE, result_url=url):
            assert add(app, 1, 2).get(20) == 3


def test_a_sentinel_that_is_behind(chard, app_of):
    """Cut off from the others, it still names a master that is gone: the others are asked as well."""
    with servers.Redis() as gone, servers.Redis() as master, servers.Sentinel(gone) as behind, servers.Sentinel(master) as ahead:
        gone.kill()
        app = app_of(master.url)
        url = ";".join(f"sentinel://:{master.password()}@127.0.0.1:{one.port}/0" for one in (behind, ahead))
        with chard.prepare().worker(queues=QUEUE, result_url=f"{url}?master_name=chard"):
            assert add(app, 1, 2).get(20) == 3


def test_sentinels_that_know_nothing(chard, app_of):
    """No such master, a wrong password, none: said once each, and the work goes on without."""
    lines = {"master_name=other&sentinel_password=watch": "Redis's sentinels away: they know no master",
             "master_name=chard&sentinel_password=no": "Redis's sentinels away: WRONGPASS",
             "master_name=chard": "Redis's sentinels away: NOAUTH"}
    with servers.Redis() as master, servers.Sentinel(master, password="watch") as sentinel:
        urls = [f"sentinel://:pw@127.0.0.1:{sentinel.port}?{query}" for query in lines]
        with chard.prepare().worker(queues=QUEUE, result_url=f"rpc://,{','.join(urls)}", grace_ms=100) as worker:
            assert add(app_of("rpc://"), 1, 2).get(20) == 3
            for line in lines.values():
                worker.wait_log(line)
            assert worker.is_ready() and worker.stderr.count("sentinels away") == 3


# ---- a Redis in trouble ----


def test_away_with_few_slots(chard, app_of, private_redis, queues, wait_until):
    """Results that wait hold no slots: all tasks run, and all are told once Redis is back."""
    server = private_redis()
    app, by_rpc = app_of(server.url), app_of("rpc://")
    with chard.prepare().worker(queues=QUEUE, slots=10, result_url=server.url) as worker:
        assert add(app, 1).get(20) == 1
        server.stop()
        sent = [add(by_rpc, number) for number in range(50)]
        worker.wait_log("Redis away")
        wait_until(lambda: queues.depth(QUEUE) == 0, 40)
        server.start()
        assert [app.AsyncResult(one.id).get(40) for one in sent] == list(range(50))


def test_full(chard, app_of, private_redis, queues, wait_until):
    """Its memory is used up: results wait, the work goes on, and nothing is lost once there is room."""
    server = private_redis(config={"maxmemory-policy": "noeviction"})
    app, by_rpc = app_of(server.url), app_of("rpc://")
    with chard.prepare().worker(queues=QUEUE, result_url=server.url) as worker:
        assert add(app, 1).get(20) == 1
        assert "OK" in server.ask("CONFIG", "SET", "maxmemory", "1mb")
        sent = [add(by_rpc, number) for number in range(30)]
        worker.wait_log("Redis away: OOM command not allowed")
        wait_until(lambda: queues.depth(QUEUE) == 0)
        assert worker.is_ready()
        wait_until(lambda: int(server.ask("INFO", "stats").split("total_connections_received:")[1].split()[0]) > 5)
        assert worker.stderr.count("Redis away") == 1 and "Redis is back" not in worker.stderr  # said once, however often it is tried
        assert "OK" in server.ask("CONFIG", "SET", "maxmemory", "0")
        assert [app.AsyncResult(one.id).get(30) for one in sent] == list(range(30))
        worker.wait_log("Redis is back")


def test_a_replica_that_takes_no_writes(chard, app_of, private_redis, queues, wait_until):
    server = private_redis()
    app, by_rpc = app_of(server.url), app_of("rpc://")
    with chard.prepare().worker(queues=QUEUE, result_url=server.url) as worker:
        assert add(app, 1).get(20) == 1
        server.ask("CONFIG", "SET", "replica-serve-stale-data", "yes")
        server.ask("REPLICAOF", "127.0.0.1", "1")
        sent = [add(by_rpc, number) for number in range(30)]
        worker.wait_log("Redis away: READONLY")
        wait_until(lambda: queues.depth(QUEUE) == 0)
        server.ask("REPLICAOF", "NO", "ONE")
        assert [app.AsyncResult(one.id).get(30) for one in sent] == list(range(30))


def test_slow_and_cut(chard, app_of, redis, toxic, wait_until):
    """Half a second each way holds up nobody but who waits for it, and a line that breaks in the middle loses nothing."""
    link = toxic(redis.port)
    app, by_rpc = app_of(redis.url), app_of("rpc://")
    with chard.prepare().worker(queues=QUEUE, result_url=f"rpc://,{link.url(redis.url)}") as worker:
        assert add(app, 1).get(20) == 1
        link.delay(0.5)
        sent = [add(by_rpc, number) for number in range(200)]
        assert [one.get(20) for one in sent] == list(range(200))  # in order, and together
        link.cut()
        assert [app.AsyncResult(one.id).get(30) for one in sent] == list(range(200))
        link.heal()
        assert worker.is_ready()


@contextlib.contextmanager
def impostor(says):
    """Takes connections and answers whatever comes with `says`: bytes, a function that makes them of what came, or None: nothing."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(link):
        with link, contextlib.suppress(OSError):
            while came := link.recv(65536):
                if says is not None:
                    link.sendall(says(came) if callable(says) else says)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def greeting_then(rest):
    """As a Redis greets: SELECT and PING; then `rest` for everything."""
    def says(came):
        return b"+OK\r\n+PONG\r\n" if b"PING" in came else rest
    return says


IMPOSTORS = {  # what it says: a line of the log
    None: "no answer while connecting",
    b"\x00\xff\x16\x03HTTP/1.1 400 Bad Request\r\n\r\n": r'Protocol error, got "\\x00" as reply type',
    b"<html>": 'got "<" as reply type',
    b"-ERR unknown command\r\n": "Redis away: ERR unknown command",
    greeting_then(b""): "it has not answered for 10 s",
    greeting_then(b"*1\r\n" * 100): "nested multi bulk replies",
    greeting_then(b"*4611686018427387904\r\n"): "Multi-bulk length out of range|Out of memory",
    greeting_then(b"$99999999999999999999\r\n"): "Bad bulk string length",
    greeting_then(b"*-7\r\n"): "Multi-bulk length out of range",
}


def test_no_redis_at_all(chard, app_of, queues, wait_until):
    """Whatever they say: the worker does its work, says what is wrong, ends in time, and what it could not store is in its queue."""
    by_rpc = app_of("rpc://")
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(impostor(says)) for says in IMPOSTORS]
        with chard.prepare().worker(queues=QUEUE, result_url=f"rpc://,{','.join(urls)}", grace_ms=100,
                                    connect_timeout_ms=500) as worker:
            assert [one.get(20) for one in [add(by_rpc, number) for number in range(20)]] == list(range(20))
            for line in IMPOSTORS.values():
                worker.wait_log(line)
            assert worker.is_ready()
    wait_until(lambda: queues.depth(QUEUE) == 20)


def test_wrong_answers(chard, app_of, queues, wait_until):
    """Well-formed ones that mean nothing: a status, a number, a list for every command. Nothing breaks."""
    by_rpc = app_of("rpc://")
    for says in (b"+OK\r\n", b":7\r\n", b"*2\r\n$-1\r\n:1\r\n", b"$-1\r\n", b"*-1\r\n"):
        with impostor(greeting_then(says)) as url, \
                chard.prepare().worker(queues=QUEUE, result_url=f"rpc://,{url}", connect_timeout_ms=500, grace_ms=500):
            assert add(by_rpc, 1, 2).get(20) == 3
            wait_until(lambda: queues.depth(QUEUE) == 0)


def test_a_result_that_redis_does_not_take(chard, app_of, private_redis, queues, wait_until):
    """Larger than its limit for one value: it ends the connection each time. The task is given up after a few, in the log, and
    what came after it is stored."""
    server = private_redis(config={"proto-max-bulk-len": "1mb"})
    app, by_rpc = app_of(server.url), app_of("rpc://")
    with chard.prepare().worker(queues=QUEUE, result_url=server.url) as worker:
        by_rpc.send_task("chard.same", ["x" * 3_000_000], queue=QUEUE)
        after = add(app, 5)
        worker.wait_log("its result can't be stored", 60)
        assert after.get(40) == 5
        wait_until(lambda: queues.depth(QUEUE) == 0)
