# SPDX-License-Identifier: Apache-2.0
"""build/libchard.so as a Python object, and Celery canvases made by it from descriptions that both sides understand."""

import ctypes
import json

from .program import ROOT

OK, NO_MEMORY, BAD_ARGUMENT, UNSUPPORTED, UNREACHABLE, ACCESS, UNROUTABLE, REFUSED, TIMED_OUT, UNCERTAIN, TASK_FAILED, UNKNOWN_ID = range(12)


QUEUE = "py.work"


def task(name, *args, queue=QUEUE, kwargs=None, **options):
    return {"task": name, "args": list(args), "kwargs": kwargs or {}, "queue": queue, "options": options}


def add(*numbers, **options):
    return task("py.add", *numbers, **options)


SUM = task("py.sum")


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("name", ctypes.c_char * 256), ("text", ctypes.c_char * 512)]


class Ids(ctypes.Structure):
    _fields_ = [("id", ctypes.c_char * 256), ("first", ctypes.c_char * 256)]


class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), *((name, ctypes.c_char_p) for name in ("broker", "results", "ca_file", "name")),
                *((name, ctypes.c_uint) for name in ("connect_timeout_ms", "heartbeat_s", "results_expire_s"))]


class Failed(Exception):
    def __init__(self, why):
        self.code, self.name, self.text = why.code, why.name.decode(), why.text.decode()
        super().__init__(f"{self.code} {self.name}: {self.text}")


def load():
    library = ctypes.CDLL(str(ROOT / "build/libchard.so.0"))
    for name in ("signature_new", "chain", "group", "chord"):
        getattr(library, f"chard_{name}").restype = ctypes.c_void_p
    library.chard_version.restype = ctypes.c_char_p
    return library


def text(value):
    return None if value is None else value.encode()


class Client:
    """A handle. Canvases are given as {"task": …, "args": …, "kwargs": …, "queue": …, "options": {…}} or
    {"chain": […]}, {"group": […]}, {"chord": [header, body]}."""

    def __init__(self, broker, results=None, **more):
        self.c = load()
        self.why = Error()
        self.handle = ctypes.c_void_p()
        options = Options(size=ctypes.sizeof(Options), broker=text(broker), results=text(results), **more)
        self._check(self.c.chard_open(ctypes.byref(self.handle), ctypes.byref(options), ctypes.byref(self.why)), self.why)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.c.chard_close(self.handle)
        self.handle = None

    @staticmethod
    def _check(code, why):
        if code != OK:
            raise Failed(why)

    def signature(self, canvas):
        why = Error()
        made = self._make(canvas, why)
        if not made:
            raise Failed(why)
        return ctypes.c_void_p(made)

    def _make(self, canvas, why):
        by = ctypes.byref(why)
        for kind in ("chain", "group"):
            if kind in canvas:
                parts = [self._make(part, why) for part in canvas[kind]]
                array = (ctypes.c_void_p * len(parts))(*parts)
                return getattr(self.c, f"chard_{kind}")(array, ctypes.c_size_t(len(parts)), by)
        if "chord" in canvas:
            header, body = (self._make(part, why) for part in canvas["chord"])
            return self.c.chard_chord(ctypes.c_void_p(header), ctypes.c_void_p(body), by)
        return self._task(canvas, why)

    def _task(self, canvas, why):
        by = ctypes.byref(why)
        args, kwargs = (json.dumps(canvas[name]) if name in canvas else None for name in ("args", "kwargs"))
        made = self.c.chard_signature_new(text(canvas["task"]), text(args), text(kwargs), by)
        s = ctypes.c_void_p(made)
        if made and "queue" in canvas:
            self._check(self.c.chard_signature_queue(s, text(canvas["queue"]), by), why)
        for name, value in canvas.get("options", {}).items():
            if name == "headers":
                for key, one in value.items():
                    self._check(self.c.chard_signature_header(s, text(key), text(one), by), why)
            elif name in ("link", "link_error"):
                self._check(getattr(self.c, f"chard_signature_{name}")(s, ctypes.c_void_p(self._make(value, why)), by), why)
            elif name == "task_id":
                self._check(self.c.chard_signature_id(s, text(value), by), why)
            elif name == "immutable":
                self._check(self.c.chard_signature_immutable(s, by), why)
            else:
                self._check(self.c.chard_signature_option(s, text(name), text(json.dumps(value)), by), why)
        return made

    def apply(self, canvas, timeout_ms=20000):
        """(id, first)"""
        made, ids, why = self.signature(canvas), Ids(), Error()
        try:
            self._check(self.c.chard_apply(self.handle, made, ctypes.c_long(timeout_ms), ctypes.byref(ids), ctypes.byref(why)), why)
        finally:
            self.c.chard_signature_free(made)
        return ids.id.decode(), ids.first.decode()

    def wait(self, id, timeout_ms=30000):
        result, why = ctypes.c_char_p(), Error()
        code = self.c.chard_wait(self.handle, text(id), ctypes.c_long(timeout_ms), ctypes.byref(result), ctypes.byref(why))
        value = json.loads(result.value) if result.value else None
        self.c.chard_free(result)
        self._check(code, why)
        return value

    def forget(self, id):
        self.c.chard_forget(self.handle, text(id))


def celery_canvas(app, canvas):
    """The same canvas made by Celery."""
    import celery

    if "chain" in canvas:
        return celery.chain(*[celery_canvas(app, part) for part in canvas["chain"]])
    if "group" in canvas:
        return celery.group([celery_canvas(app, part) for part in canvas["group"]], app=app)
    if "chord" in canvas:
        header, body = (celery_canvas(app, part) for part in canvas["chord"])
        return celery.chord(header, body, app=app)
    options = dict(canvas.get("options", {}))
    links = {name: options.pop(name) for name in ("link", "link_error") if name in options}
    immutable = options.pop("immutable", False)
    made = app.signature(canvas["task"], args=tuple(canvas.get("args", ())), kwargs=canvas.get("kwargs", {}),
                         immutable=immutable, queue=canvas.get("queue", canvas["task"]), **options)
    for name, then in links.items():
        getattr(made, name)(celery_canvas(app, then))
    return made
