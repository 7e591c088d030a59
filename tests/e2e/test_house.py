# SPDX-License-Identifier: Apache-2.0
"""What must hold of the tree itself. No servers, no program."""

import re
import runpy
import shutil
import subprocess

import pytest

from support.program import ROOT

ENGINE = ("core", "message", "redis", "broker", "store", "results", "ai", "catalog", "jobs", "worker", "observe", "dlq", "duties", "consumers", "gateway", "lib", "include")
# The shipped domain's subject, its languages, its tasks and events, and what its tasks keep. "Character" alone is a text's.
DOMAIN = re.compile("|".join([
    r"waste", r"recycl", r"household", r"garbage", r"disposal", r"taxonom", r"situation",
    r"korea", r"hangul", r"[\uac00-\ud7a3]", r"\"ko\"", r"'ko'", r"(prompt|lang)_(ko|en)\b",
    r"profile", r"reward", r"character_?(owned|grant|code)", r"\bchar-[a-z]", r"\bowned_by\b", r"user'?s? (owned )?character",
    r"\bscan\.(vision|answer|reward|commands)", r"\bchat\.(classify|answer|commands)", r"\bmy\.(profile|commands)",
    r"\b(scan|reward|profile)(classified|answered|rewarded|granted|updated|failed)", r"\"(scan|chat|my)\"",
]), re.IGNORECASE)


THEIRS = re.compile(r'NAME_AI_OPERATION, \.text = "chat"|"ICC_PROFILE"')  # OpenTelemetry's word for a completion; the ICC's for colours in a JPEG


def test_the_pattern_finds_what_it_is_for():
    for word in ("ROW_CHARACTER_GRANT", "chard.character_owned", "chard_profile", "prompt_ko", "scan.vision", '"scan"', "ScanFailed", "most Korean is", "한국어"):
        assert DOMAIN.search(word), word
    for word in ("the NUL character", "character_size", "chat/completions", "struct scan *s", "owned: freed", "claims granted"):
        assert not DOMAIN.search(word), word


@pytest.mark.parametrize("folder", ENGINE)
def test_the_engine_holds_no_word_of_the_domain_that_it_ships_with(folder):
    files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    assert files
    found = [f"{path.relative_to(ROOT)}:{number}: {line.strip()}" for path in files
             for number, line in enumerate(path.read_text().splitlines(), 1) if DOMAIN.search(THEIRS.sub("", line))]
    assert not found, "\n".join(found)


GUARDED = {  # what breaks a law: the files that do, and what is said of it
    "order": ({"core/a.c": '#include "worker/b.h"\n', "worker/b.h": ""}, "core/a.c:1: includes worker/b.h"),
    "circle": ({"core/a.c": '#include "core/b.h"\n', "core/a.h": "", "core/b.h": '#include "core/a.h"\n'}, "core/a: includes core/b"),
    "size": ({f"core/a{number}.c": "" for number in range(40)}, "core/: 40 sources"),
    "global": ({"core/a.c": "static const int one = 1;\nint two = 2;\n"}, "core/a.c:2: two"),
    "pointer": ({"core/a.c": "static const char *const one[] = { 0 };\nstatic const char *two;\n"}, "core/a.c:2: two"),
    "struct": ({"core/a.c": "struct a { int b; };\nstatic struct { struct { int c; } d; } two = { { 0 } };\n"}, "core/a.c:2: two"),
    "list": ({"core/a.c": "static int one = 1, two[2] = { 1, 2 }, *three;\nstatic const int four = 4, five = 5;\n"},
             "core/a.c:1: one can be written\nglobals: core/a.c:1: two can be written\nglobals: core/a.c:1: three can be written\n"),
    "inside": ({"core/a.c": "int f(void)\n{\n        int one = 1;\n        static int two;\n        return one + two++;\n}\n"}, "core/a.c:4: two"),
    "name": ({"core/a.c": "static int run(void)\n{\n        return 1;\n}\n", "core/b.c": "static int run(void)\n{\n        return 2;\n}\n"},
             "core/a.c: run() is also in core/b.c"),
    "type": ({"core/a.h": "struct one {\n        int a;\n};\n", "lib/b.c": "enum one { ONE };\n"}, "lib/b.c: enum one is also in core/a.h"),
    "test's type": ({"core/a.h": "struct one {\n        int a;\n};\n", "tests/unit/b.c": "struct one {\n        int b;\n};\n",
                     "tests/unit/c.c": "struct two {\n        int b;\n};\n", "bench/d.c": "struct two {\n        int b;\n};\n"},
                    "types: tests/unit/b.c: struct one is also in core/a.h"),
    "part": ({"worker/run/parts.h": "/* worker/run/one.c: what\n * it holds. */\nstruct one_part {\n        int a;\n};\n",
              "worker/run/run.h": "struct run {\n        struct one_part one;\n};\n",
              "worker/run/one.c": "int one(const struct run *run)\n{\n        return run->one.a;\n}\n",
              "worker/two.c": "int two(struct run *run, struct run *other)\n{\n        return run->one(other) + other->one.a;\n}\n"},
             "worker/two.c:3: touches other->one, which is worker/run/one.c's"),
    "noun": ({"core/a.c": "static int run(void)\n{\n        return 1;\n}\n"}, "core/a.c: run() is one word"),
    "attribute": ({"core/a.c": "__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)\n{\n}\n"}, "core/a.c: say() is one word"),
    "public": ({"core/a.c": "int run(void)\n{\n        return 1;\n}\n", "lib/b.c": "static void run(const char *s)\n{\n}\n"}, "lib/b.c: run()"),
}


@pytest.mark.parametrize("law", GUARDED)
def test_what_breaks_a_law_of_the_house_is_found(law, tmp_path):
    files, said = GUARDED[law]
    for name, text in {"scripts/check-house": re.sub(r"^EXCEPT = \{.*?^\}", "EXCEPT = {}", (ROOT / "scripts/check-house").read_text(), flags=re.S | re.M), **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copymode(ROOT / "scripts/check-house", tmp_path / "scripts/check-house")
    done = subprocess.run([tmp_path / "scripts/check-house"], capture_output=True, text=True)
    assert done.returncode == 1 and said in done.stdout, done.stdout + done.stderr


def test_the_house_keeps_its_laws():
    done = subprocess.run([ROOT / "scripts/check-house"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_test_is_found_by_its_name():
    """`make check T=NAME` takes the name of any."""
    check = runpy.run_path(ROOT / "scripts/check")
    known = [name for folder in ("UNIT", "SKETCHES") for name in check["functions"](check[folder], "test_*.c", check["UNIT_TEST"])]
    tables = "".join(re.search(r"struct CMUnitTest tests\[\] = \{(.*?)\n? *\};", path.read_text(), re.S)[1]
                     for path in ROOT.glob("tests/[us]*/test_*.c"))
    names = re.findall(r"\w+\((\w+)[,)]", tables)
    assert len(names) > 300 and not set(names) - set(known)


@pytest.mark.parametrize("name, found", [
    ("core_log", ["unit/test_core_log.c"]), ("test_core_log", ["unit/test_core_log.c"]), ("tests/unit/test_core_log.c", ["unit/test_core_log.c"]),
    ("sketch_broker", ["sketches/test_sketch_broker.c"]), ("a_third_broker_is_one_file", ["sketches/test_sketch_broker.c a_third_broker_is_one_file"]),
    ("test_core_url.c::hosts_and_ports", []), ("core_trace::only_a_whole_traceparent_is_one", ["unit/test_core_trace.c only_a_whole_traceparent_is_one"]),
    ("house", ["e2e/test_house.py"]), ("tests/e2e/test_house.py", ["e2e/test_house.py"]),
    ("the_house_keeps_its_laws", ["e2e/test_house.py test_the_house_keeps_its_laws"]),
    ("test_house.py::test_the_house_keeps_its_laws", ["e2e/test_house.py test_the_house_keeps_its_laws"]),
    ("test_what_breaks_a_law_of_the_house_is_found[a b::c]", ["e2e/test_house.py test_what_breaks_a_law_of_the_house_is_found[a b::c]"]),
    ("tests/e2e/test_house.py::test_no_file_is_left_out_of_lint[lint-format-.c .h]", ["e2e/test_house.py test_no_file_is_left_out_of_lint[lint-format-.c .h]"]),
    ("test_house.py::test_version", []), ("no_such_test", []),
])
def test_a_test_is_found_by_every_form_of_its_name(name, found):
    check = runpy.run_path(ROOT / "scripts/check")
    assert [f"{path.relative_to(ROOT / 'tests')} {function}".strip() for _, path, function in check["find"](name)] == found


def test_one_unit_test_is_run_alone():
    program = ROOT / "build/asan/tests/unit/test_core_trace"
    if not program.exists():  # `make test` has built it
        subprocess.run(["make", "-s", "VARIANT=asan", program.relative_to(ROOT)], cwd=ROOT, check=True)
    alone = subprocess.run([program], env={"UNIT_TEST": "only_a_whole_traceparent_is_one"}, capture_output=True, text=True)
    assert alone.returncode == 0 and alone.stderr.count("[       OK ]") + alone.stdout.count("[       OK ]") == 1, alone.stdout + alone.stderr


@pytest.mark.parametrize("tool, kinds", [("lint-format", ".c .h"), ("lint-cppcheck", ".c"), ("lint-tidy lint-tidy-tests", ".c")])
def test_no_file_is_left_out_of_lint(tool, kinds):
    words = subprocess.run(["make", "-nB", *tool.split()], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    looked_at = {re.sub(r"^build/lint/(.*)\.tidy$", r"\1.c", word) for word in words}
    files = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.suffix in kinds.split()}
    assert not {file for file in files if not file.startswith("build/")} - looked_at


def test_enough_of_celerys_selection_is_played():
    """Scenes against a Python worker, each in a test of its own: canvases, tasks of a plug-in, remote control. The page says how many canvases come
    out the same."""
    import celery_scenes
    import kit_scenes
    import test_celery_canvas
    import test_control_celery
    played = [celery_scenes.SCENES, kit_scenes.SCENES, test_control_celery.SCENES]
    assert len({(n, name) for n, scenes in enumerate(played) for name in scenes}) == sum(map(len, played)) >= 235
    assert len(celery_scenes.SCENES) + len(kit_scenes.SCENES) >= 225, "canvases and tasks alone"
    every, better = len(celery_scenes.SCENES), len(test_celery_canvas.BETTER)
    assert set(test_celery_canvas.BETTER) <= set(celery_scenes.SCENES)
    assert re.search(rf"Of {every} scenes \([^)]*\) {every - better} come\s+out the same", (ROOT / "docs/celery.md").read_text())
