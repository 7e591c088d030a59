# SPDX-License-Identifier: Apache-2.0
"""What must hold of the tree itself. No servers, no program."""

import re

import pytest

from support.program import ROOT

ENGINE = ("core", "message", "redis", "broker", "store", "results", "ai", "catalog", "jobs", "worker", "dlq", "duties", "lib", "include")
# The shipped domain's subject, its languages, its tasks and events, and what its tasks keep. "Character" alone is a text's.
DOMAIN = re.compile("|".join([
    r"waste", r"recycl", r"household", r"garbage", r"disposal", r"taxonom", r"situation",
    r"korea", r"hangul", r"[\uac00-\ud7a3]", r"\"ko\"", r"'ko'", r"(prompt|lang)_(ko|en)\b",
    r"profile", r"reward", r"character_?(owned|grant|code)", r"\bchar-[a-z]", r"\bowned_by\b", r"user'?s? (owned )?character",
    r"\bscan\.(vision|answer|reward|commands)", r"\bchat\.(classify|answer|commands)", r"\bmy\.(profile|commands)",
    r"\b(scan|reward|profile)(classified|answered|rewarded|granted|updated|failed)", r"\"(scan|chat|my)\"",
]), re.IGNORECASE)


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
             for number, line in enumerate(path.read_text().splitlines(), 1) if DOMAIN.search(line)]
    assert not found, "\n".join(found)
