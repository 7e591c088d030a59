# SPDX-License-Identifier: Apache-2.0
#
# chard: `make help` lists what can be asked for. Everything that is made lies under build/.
#
# A variant is the same program built another way, with its own objects in build/VARIANT/:
#   release  what is installed; the program is build/chard
#   asan     with AddressSanitizer and UndefinedBehaviorSanitizer; unit and end-to-end tests use it. It has fault points
#            (CHARD_FAULT_POINTS), at which tests kill the worker
#   tsan     with ThreadSanitizer, for the tests of what threads share
#   fuzz     by clang with libFuzzer's instrumentation, for tests/fuzz/
#   coverage counts which lines run, for `make coverage`
# `make VARIANT=asan program` builds one of them; `make asan` is short for it.

MAKEFLAGS += --no-builtin-rules

VERSION = 0.1.0
VARIANT ?= release

prefix     ?= /usr/local
bindir     ?= $(prefix)/bin
libdir     ?= $(prefix)/lib
includedir ?= $(prefix)/include
mandir     ?= $(prefix)/share/man
INSTALL    ?= install
PKG_CONFIG ?= pkg-config
OBJCOPY    ?= objcopy
Q           = $(if $(V),,@)
JOBS       ?= $(shell nproc 2>/dev/null || echo 2)

# --- what is compiled, and how -----------------------------------------------------------------------

FOLDERS  = core message redis broker store results ai tasks pipelines catalog jobs worker observe dlq duties consumers cdc gateway
LIB_SRC := $(sort $(foreach dir,$(FOLDERS),$(wildcard $(dir)/*.c $(dir)/*/*.c $(dir)/*/*/*.c)))
CLI_SRC := $(sort $(wildcard cli/*.c cli/*/*.c))
HEADERS := $(sort $(foreach dir,$(FOLDERS) cli,$(wildcard $(dir)/*.h $(dir)/*/*.h $(dir)/*/*/*.h)))

PACKAGES  = librabbitmq libpq libcurl jansson libuv zlib libssl libcrypto sqlite3 hiredis libzstd libmicrohttpd gnutls rdkafka
# Asked at the first use, and once: the name then becomes what was answered.
PKG_FLAGS = $(eval PKG_FLAGS := $(shell $(PKG_CONFIG) --cflags $(PACKAGES)))$(PKG_FLAGS)
PKG_LIBS  = $(eval PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES)))$(PKG_LIBS)

# Those for tests have the lines of their functions, which is what a report says, and no more: `make CFLAGS=-g` has what a debugger wants.
CC_release    = $(CC)
# Nothing in C is unwound at run time; debuggers and profilers find the same tables in .debug_frame.
FLAGS_release = -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fno-asynchronous-unwind-tables
# No message and no call waits for what these do: the smaller, the better.
SMALL         = cli cdc consumers dlq duties gateway
CC_asan       = $(CC)
FLAGS_asan    = -O1 -g1 -DCHARD_FAULT_POINTS -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
CC_tsan       = $(CC)
FLAGS_tsan    = -O1 -g1 -fno-omit-frame-pointer -fsanitize=thread
CC_fuzz       = clang
FLAGS_fuzz    = -O1 -g1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
CC_coverage    = $(CC)
FLAGS_coverage = -O0 -g -DCHARD_FAULT_POINTS --coverage -fprofile-update=atomic

# Warnings stop the tests' variants, and all that `make test` builds. They do not stop whoever packages the release with a newer compiler.
WERROR  ?= $(if $(filter release,$(VARIANT)),,-Werror)
WARNINGS = -Wall -Wextra -Wshadow -Wconversion $(WERROR)
COMPILER = $(CC_$(VARIANT))
STANDARD = -std=c11 -D_GNU_SOURCE -DCHARD_VERSION='"$(VERSION)"' -I.
COMPILE  = $(COMPILER) $(STANDARD) $(WARNINGS) -fvisibility=hidden -fPIC $(FLAGS_$(VARIANT)) $(PKG_FLAGS) $(CFLAGS)
LINK     = $(COMPILER) $(FLAGS_$(VARIANT)) $(if $(filter asan tsan,$(VARIANT)),$(QUICK_LD)) -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(if $(filter release,$(VARIANT)),$(SMALL_LD)) $(LDFLAGS)
# Addresses to relocate as a bitmap: a twentieth of the program. glibc knows it from 2.36 on.
COMMA   := ,
SMALL_LD := $(if $(shell ld --help | grep pack-relative-relocs),-Wl$(COMMA)-z$(COMMA)pack-relative-relocs)
QUICK_LD := $(if $(shell command -v ld.gold),-fuse-ld=gold)
LIBS     = $(PKG_LIBS) -lbz2 -lpthread -lm

OUT     = build/$(VARIANT)
PROGRAM = $(if $(filter release,$(VARIANT)),build/chard,$(OUT)/chard)
ENGINE  = $(OUT)/engine.a

# Files that become part of the program: a set's name, and what is in it. See core/embed.h.
EMBED_SETS   = schema data rules sqlite_store sqlite_broker console
EMBED_PACKED = data rules console
EMBED_schema = $(wildcard store/postgres/schema/*.sql)
# The browser console as scripts/console makes it of console/source/: kept here, so that building chard needs no Node.js.
EMBED_console = $(wildcard console/built/*)
EMBED_sqlite_store = $(wildcard store/sqlite/schema/*.sql)
EMBED_sqlite_broker = $(wildcard broker/embedded/schema/*.sql)
# The named statements of the store's backends become part of it too: see scripts/statements.
SQL_SETS     = postgres sqlite
SQL_postgres = $(wildcard store/postgres/sql/*.sql)
SQL_sqlite   = $(wildcard store/sqlite/sql/*.sql)
SQL_PREFIX_postgres = pg_sql
SQL_PREFIX_sqlite   = lite_sql
# Tables of all constants of a type that stand in a folder, so that whoever adds a backend or an action adds files and changes none: see scripts/table.
TABLES = broker_backend store_backend results_backend dlq_action
TABLE_broker_backend  = broker/broker.h $(wildcard broker/*.c broker/*/*.c)
TABLE_store_backend   = store/store.h $(wildcard store/*.c store/*/*.c)
TABLE_results_backend = results/results.h $(wildcard results/*.c results/*/*.c)
TABLE_dlq_action      = dlq/action.h $(wildcard dlq/*.c)
EMBED_data   = $(wildcard tasks/waste/data/*.json)
EMBED_rules  = $(wildcard tasks/waste/rules/*.json)

# libchard, for C programs that send tasks: lib/ and what it needs of the engine, nothing exported but include/chard/producer.h.
SONAME       = libchard.so.0
LIBCHARD_SRC := $(sort $(wildcard lib/*.c))
LIBCHARD_OBJ  = $(LIBCHARD_SRC:%.c=$(OUT)/%.o)
LIBCHARD_DIR  = $(if $(filter release,$(VARIANT)),build,$(OUT))
LIBCHARD_SO   = $(LIBCHARD_DIR)/libchard.so.$(VERSION)
LIBCHARD_A    = $(LIBCHARD_DIR)/libchard.a
LIBCHARD_NEEDS = librabbitmq jansson libuv libssl libcrypto sqlite3 hiredis
LIBCHARD_LIBS = $(eval LIBCHARD_LIBS := $(shell $(PKG_CONFIG) --libs $(LIBCHARD_NEEDS)) -lpthread -lm)$(LIBCHARD_LIBS)

# What libchard needs of the engine, and the programs that are built with ThreadSanitizer: for these nothing else is compiled.
BASE     = $(OUT)/base.a
BASE_OBJ = $(filter $(foreach part,core message redis broker,$(OUT)/$(part)/%) $(OUT)/gen/embedded_sqlite_broker.o $(OUT)/gen/table_broker_backend.o,$(LIB_OBJ))
DRIVER_ENGINE = $(if $(filter tsan,$(VARIANT)),$(BASE),$(ENGINE))

LIB_OBJ = $(LIB_SRC:%.c=$(OUT)/%.o) $(EMBED_SETS:%=$(OUT)/gen/embedded_%.o) $(SQL_SETS:%=$(OUT)/gen/sql_%.o) $(TABLES:%=$(OUT)/gen/table_%.o)
CLI_OBJ = $(CLI_SRC:%.c=$(OUT)/%.o)

# Unit tests: every tests/unit/test_*.c is a program, with what it uses of the other files there. So are the sketches of
# tests/sketches/, which show where something new would go.
UNIT_SRC     := $(sort $(wildcard tests/unit/test_*.c tests/sketches/test_*.c))
UNIT_SUPPORT := $(sort $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c)))
UNIT          = $(UNIT_SRC:%.c=$(OUT)/%)
SKETCHES      = $(filter $(OUT)/tests/sketches/%,$(UNIT))
# They are linked with a copy of the commands (without main), of libchard and of the engine whose allocations tests/unit/short_memory.c can let fail.
UNIT_HELP     = $(OUT)/tests/unit/support.a
UNIT_PARTS    = $(if $(filter tsan,$(VARIANT)),$(OUT)/tests/unit/base.a,$(OUT)/tests/unit/cli.a $(OUT)/tests/unit/lib.a $(OUT)/tests/unit/engine.a)
SHORT         = malloc=short_malloc calloc=short_calloc realloc=short_realloc strdup=short_strdup strndup=short_strndup \
                asprintf=short_asprintf vasprintf=short_vasprintf EVP_MD_CTX_new=short_digest_new EVP_DigestInit_ex=short_digest_init \
                EVP_DigestUpdate=short_digest_update EVP_DigestFinal_ex=short_digest_final
# Programs that put one part on a command line for the end-to-end tests, which build them when they need them.
DRIVER_SRC   := $(sort $(wildcard tests/e2e/drivers/*.c))
DRIVERS       = $(DRIVER_SRC:%.c=$(OUT)/%)
FUZZ_SRC     := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ          = $(FUZZ_SRC:%.c=$(OUT)/%)

# Measuring programs: each of these is one; the other files of bench/ are linked into all of them.
BENCH_NAMES = provider latency raw_consume raw_publish raw_pairs raw_calls raw_sqlite raw_redis
BENCH       = $(BENCH_NAMES:%=$(OUT)/bench/%)
BENCH_OBJ   = $(patsubst %.c,$(OUT)/%.o,$(filter-out $(BENCH_NAMES:%=bench/%.c),$(sort $(wildcard bench/*.c))))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all help program libchard unit drivers fuzzers asan tsan tests tests-asan tests-tsan tests-fuzz deps test check coverage lint format run proof-celery proof-console proof-events proof-matrix proof-metrics proof-traces proof-volume run-events \
        run-servers bench proof proof-deploy deb image install uninstall clean FORCE

# --- what to ask for ---------------------------------------------------------------------------------

all: program libchard ## build build/chard and build/libchard.so (the default)

help: ## list what can be asked for
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo "Variables: CC, CFLAGS, LDFLAGS, VARIANT, JOBS, prefix, DESTDIR; V=1 shows the commands"

run: ## install what is missing, build, run sample scans and chats on one file
	@scripts/deps run
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@scripts/run

run-servers: ## the same on a private RabbitMQ and PostgreSQL
	@scripts/deps servers
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@scripts/run --servers

run-events: ## one scan's way through Debezium, Kafka and the consumers to OpenSearch, by its trace (JDK 17, Maven)
	@scripts/deps events
	@scripts/kafka
	@scripts/opensearch
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@scripts/run-events

test: ## install what is missing, then run every test; ends with `N passed, M failed`
	@scripts/deps test
	@scripts/test

check: ## build and run one test: make check T=NAME, of a unit test, an end-to-end test, or a file of them
	@scripts/check '$(T)'

coverage: ## run the unit tests and print how much of each folder they reach; with E2E=1 the end-to-end tests as well
	@$(MAKE) --no-print-directory -j$(JOBS) VARIANT=coverage unit program drivers
	@scripts/coverage $(if $(E2E),--e2e)

bench: ## measure everything beside its raw ceiling
	@scripts/deps test
	@$(MAKE) --no-print-directory -j$(JOBS) all benches
	@scripts/bench

proof: ## 30 minutes of jobs under random faults, then an auditor of servers and provider; MINUTES=N SEED=N
	@scripts/deps test
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@scripts/proof $(MINUTES:%=--minutes %) $(SEED:%=--seed %)

proof-deploy: ## hold image, packages and chart against the real programs; takes minutes, and writes the table of docs/production.md; STEP=NAME
	@scripts/deps deploy
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@scripts/proof-deploy $(STEP:%=--step %)

deps: ## install what building, running and testing need (Debian 12)
	@scripts/deps test

proof-volume: ## the tests of thousands with all of their thousands
	@scripts/deps test
	@$(MAKE) --no-print-directory -j$(JOBS) all asan
	@$(MAKE) --no-print-directory -j$(JOBS) VARIANT=asan drivers
	@CHARD_TEST_VOLUME=full CHARD_TEST_MATRIX=full PYTHONDONTWRITEBYTECODE=1 build/venv/bin/python -m pytest -q -p no:cacheprovider tests/e2e -m volume --durations=0

proof-matrix: ## the end-to-end tests' further combinations, which `make test` leaves out
	@scripts/deps test
	@$(MAKE) --no-print-directory -j$(JOBS) all asan
	@$(MAKE) --no-print-directory -j$(JOBS) VARIANT=asan drivers
	@CHARD_TEST_MATRIX=full PYTHONDONTWRITEBYTECODE=1 build/venv/bin/python -m pytest -q -p no:cacheprovider tests/e2e -m matrix --durations=0

.PHONY: proof-fuzz proof-memory
proof-fuzz: ## each fuzzer for a minute; SECONDS=N
	@scripts/deps test
	@CHARD_TEST_FUZZ_SECONDS=$(or $(SECONDS),60) scripts/test fuzz

proof-memory: ## the unit tests with every place that allocates failing once, also in those that take long; SECONDS=N of the CPU for each program
	@scripts/deps test
	@CHARD_TEST_MEMORY_SECONDS=$(or $(SECONDS),60) scripts/test unit

proof-events: ## events through Debezium and Kafka to consumers and OpenSearch, with the real programs (JDK 17, Maven)
	@scripts/deps test
	@scripts/kafka
	@scripts/opensearch
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@PYTHONDONTWRITEBYTECODE=1 build/venv/bin/python -m pytest -q -p no:cacheprovider tests/proof_events

proof-console: ## the browser console where things go wrong, and a screenshot of each page in build/screenshots
	@scripts/deps test
	@$(MAKE) --no-print-directory -j$(JOBS) all asan
	@PYTHONDONTWRITEBYTECODE=1 build/venv/bin/python -m pytest -q -p no:cacheprovider tests/proof_console

proof-celery: ## Celery's own integration tests, fetched for the purpose, with chard in their worker's place (half an hour; ARGS="t/integration/test_inspect.py": some of them)
	@scripts/deps test
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@scripts/celery-suite $(ARGS)

proof-metrics: ## an alert through a real Prometheus and a real Alertmanager to a webhook
	@scripts/deps metrics
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@PYTHONDONTWRITEBYTECODE=1 build/venv/bin/python -m pytest -q -p no:cacheprovider tests/proof_metrics

proof-traces: ## one trace and its log through a real Collector, Jaeger, VictoriaLogs, Kafka and Prometheus (Go, JDK 17, Maven; builds for ten minutes, once)
	@scripts/deps test
	@scripts/telemetry
	@scripts/kafka
	@build/venv/bin/python -m pip install -q --disable-pip-version-check -r tests/proof_traces/requirements.txt
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@PYTHONDONTWRITEBYTECODE=1 build/venv/bin/python -m pytest -q -p no:cacheprovider tests/proof_traces

asan tsan: ## build that variant, in build/VARIANT/
	@$(MAKE) --no-print-directory VARIANT=$@ program libchard

# What `make test` runs of a variant.
TESTS_asan = program libchard unit drivers
TESTS_tsan = libchard $(filter %_threads,$(UNIT)) $(OUT)/tests/e2e/drivers/broker_driver
TESTS_fuzz = fuzzers
tests: $(TESTS_$(VARIANT))
tests-asan tests-tsan tests-fuzz:
	@$(MAKE) --no-print-directory VARIANT=$(@:tests-%=%) tests

# --- building ----------------------------------------------------------------------------------------

program: $(PROGRAM)
libchard: $(LIBCHARD_SO) $(LIBCHARD_A)
unit: $(UNIT)
drivers: $(DRIVERS)
fuzzers: $(FUZZ)
benches: $(BENCH) $(OUT)/tests/e2e/drivers/jobs_driver

# What a worker runs stands together, so that the rest need not be in memory beside it.
COLD_OBJ = $(CLI_OBJ) $(filter $(SMALL:%=$(OUT)/%/%),$(LIB_OBJ)) $(OUT)/gen/embedded_schema.o $(OUT)/gen/embedded_console.o
$(PROGRAM): $(CLI_OBJ) $(ENGINE)
	@echo '  LINK  $@'
	$(Q)$(LINK) -o $@ $(filter-out $(COLD_OBJ),$(LIB_OBJ)) $(COLD_OBJ) $(LIBS)

$(ENGINE): OBJECTS = $(LIB_OBJ)
$(ENGINE): $(LIB_OBJ)
$(BASE): OBJECTS = $(BASE_OBJ)
$(BASE): $(BASE_OBJ)
$(ENGINE) $(BASE): $(OUT)/objects
	@echo '  AR    $@'
	@rm -f $@.new
	$(Q)$(AR) rcs $@.new $(OBJECTS)
	@mv $@.new $@

$(LIBCHARD_SO): $(LIBCHARD_OBJ) $(BASE) lib/libchard.map
	@echo '  LINK  $@'
	$(Q)$(COMPILER) $(FLAGS_$(VARIANT)) -shared -Wl,-soname,$(SONAME) -Wl,--version-script,lib/libchard.map \
		-Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS) -o $@ $(LIBCHARD_OBJ) $(BASE) $(LIBCHARD_LIBS)
	@ln -sf $(@F) $(@D)/$(SONAME)
	@ln -sf $(SONAME) $(@D)/libchard.so

# One object whose only global symbols are the public ones.
$(LIBCHARD_A): $(LIBCHARD_OBJ) $(BASE)
	@echo '  AR    $@'
	$(Q)$(LD) -r -o $(OUT)/libchard.o $(LIBCHARD_OBJ) $(BASE)
	$(Q)$(OBJCOPY) --localize-hidden $(OUT)/libchard.o
	@rm -f $@
	$(Q)$(AR) rcs $@ $(OUT)/libchard.o

$(OUT)/%.o: %.c $(OUT)/flags
	@mkdir -p $(@D)
	@echo '  CC    $@'
	$(Q)$(COMPILE) $(if $(filter release,$(VARIANT)),$(if $(filter $(SMALL),$(firstword $(subst /, ,$<))),-Os)) -MMD -MP -c -o $@ $<

$(OUT)/gen/%.o: $(OUT)/gen/%.c $(OUT)/flags
	@echo '  CC    $@'
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

# The folder is a prerequisite too, so that a file that is gone leaves the program.
.SECONDEXPANSION:
$(EMBED_SETS:%=$(OUT)/gen/embedded_%.c): $(OUT)/gen/embedded_%.c: scripts/embed $$(EMBED_$$*) $$(sort $$(dir $$(EMBED_$$*)))
	@mkdir -p $(@D)
	$(Q)scripts/embed $(if $(filter $*,$(EMBED_PACKED)),--pack) $* $(EMBED_$*) >$@

$(SQL_SETS:%=$(OUT)/gen/sql_%.c): $(OUT)/gen/sql_%.c: scripts/statements $$(SQL_$$*) $$(sort $$(dir $$(SQL_$$*)))
	@mkdir -p $(@D)
	$(Q)scripts/statements $(SQL_PREFIX_$*) $(SQL_$*) >$@

$(TABLES:%=$(OUT)/gen/table_%.c): $(OUT)/gen/table_%.c: scripts/table $$(TABLE_$$*) $(OUT)/objects
	@mkdir -p $(@D)
	$(Q)scripts/table $* $(TABLE_$*) >$@

# These change when the compiler or its flags do, and when a source file comes or goes.
$(OUT)/flags: TEXT = $(COMPILE)
# Written either way: `make test` need not compile again what `make` has, since its other variants see the same warnings.
$(OUT)/flags: WERROR = -Werror
$(OUT)/objects: TEXT = $(LIB_OBJ) $(CLI_OBJ)
$(OUT)/flags $(OUT)/objects: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(TEXT))' | cmp -s - $@ || echo '$(subst ','\'',$(TEXT))' >$@

$(UNIT): %: %.o $(UNIT_HELP) $(UNIT_PARTS)
	@echo '  LINK  $@'
	$(Q)$(LINK) -Wl,--wrap=_cmocka_run_group_tests -o $@ $< $(filter %_tables.o,$^) -Wl,--start-group $(UNIT_HELP) $(UNIT_PARTS) -Wl,--end-group -lcmocka $(LIBS)

# A sketch stands in the tables beside what the program has.
$(SKETCHES): $(OUT)/tests/sketches/%: $(OUT)/gen/%_tables.o
$(SKETCHES:$(OUT)/tests/sketches/%=$(OUT)/gen/%_tables.c): $(OUT)/gen/%_tables.c: tests/sketches/%.c scripts/table $(foreach t,$(TABLES),$(TABLE_$(t)))
	@mkdir -p $(@D)
	$(Q)for table in $(foreach t,$(TABLES),'$(t) $(TABLE_$(t))'); do scripts/table $$table $< || exit 1; done >$@

# A test that falls over a NULL while memory is short has failed; only the engine may not do so. Private: $(OUT)/flags would have it too,
# and everything be compiled again.
$(OUT)/tests/unit/%.o $(OUT)/tests/sketches/%.o: private CFLAGS += -fno-sanitize=null,nonnull-attribute

$(OUT)/cli.a: $(filter-out $(OUT)/cli/main.o,$(CLI_OBJ))
$(OUT)/lib.a: $(LIBCHARD_OBJ)
$(UNIT_HELP): $(UNIT_SUPPORT:%.c=$(OUT)/%.o)
$(OUT)/cli.a $(OUT)/lib.a $(UNIT_HELP):
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(UNIT_PARTS): $(OUT)/tests/unit/%.a: $(OUT)/%.a
	@mkdir -p $(@D)
	$(Q)$(OBJCOPY) $(SHORT:%=--redefine-sym %) --rename-section .text=engine_text,alloc,code,readonly,load,contents $< $@

$(DRIVERS): %: %.o $(DRIVER_ENGINE)
	@echo '  LINK  $@'
	$(Q)$(LINK) -o $@ $< $(DRIVER_ENGINE) $(LIBS)

$(FUZZ): %: %.o $(ENGINE)
	@echo '  LINK  $@'
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $< $(FUZZ_OBJ) $(ENGINE) $(LIBS)

$(OUT)/tests/fuzz/fuzz_libchard: FUZZ_OBJ = $(LIBCHARD_OBJ)
$(OUT)/tests/fuzz/fuzz_libchard: $(LIBCHARD_OBJ)

$(BENCH): %: %.o $(BENCH_OBJ) $(ENGINE)
	@echo '  LINK  $@'
	$(Q)$(LINK) -o $@ $< $(BENCH_OBJ) $(ENGINE) $(LIBS)

-include $(shell find $(OUT) -name '*.d' 2>/dev/null)

# --- the house ---------------------------------------------------------------------------------------

C_FILES  = $(LIB_SRC) $(CLI_SRC) $(LIBCHARD_SRC)
TEST_C   = $(UNIT_SRC) $(UNIT_SUPPORT) $(DRIVER_SRC) $(FUZZ_SRC) $(sort $(wildcard tests/e2e/support/*.c tests/e2e/drivers/*/*.c tests/proof_celery/*.c bench/*.c examples/*/*.c))
ALL_C    = $(C_FILES) $(HEADERS) $(sort $(wildcard include/*.h include/*/*.h lib/*.h examples/*/*.c tests/*.h tests/unit/*.[ch] tests/sketches/*.c tests/fuzz/*.[ch] tests/e2e/support/*.c tests/e2e/drivers/*.[ch] tests/e2e/drivers/*/*.c tests/proof_celery/*.c bench/*.[ch]))
TIDY     = $(C_FILES:%.c=build/lint/%.tidy)
TIDY_TESTS = $(TEST_C:%.c=build/lint/%.tidy)

lint: lint-house lint-format lint-tidy lint-tidy-tests lint-cppcheck ## the laws of the house, clang-format, clang-tidy and cppcheck

.PHONY: lint-house lint-format lint-tidy lint-tidy-tests lint-cppcheck
lint-house:
	@scripts/check-house

lint-format:
	@$(if $(ALL_C),clang-format --dry-run -Werror $(ALL_C))

lint-tidy: $(TIDY)
lint-tidy-tests: $(TIDY_TESTS)

# One file at a time, again only when it or something that it includes has changed. clang-tidy says what the other compiler warns of, too.
# Its analyser looks into called functions (deep), which takes ten times as long as not to (shallow), as `make test` does.
TIDY_DEPTH ?= deep
TIDY_MODE   = --extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=mode=$(TIDY_DEPTH)
build/lint/%.tidy: %.c .clang-tidy tests/.clang-tidy bench/.clang-tidy
	@mkdir -p $(@D)
	@$(CC) $(STANDARD) -Iinclude $(PKG_FLAGS) -MM -MP -MT $@ -MF $(@:.tidy=.d) $<
	@clang-tidy --quiet $(TIDY_MODE) $< -- $(STANDARD) -Iinclude $(PKG_FLAGS) $(filter-out -Werror,$(WARNINGS)) -Wreserved-identifier -Wreserved-macro-identifier 2>$(@:.tidy=.log) || \
		{ cat $(@:.tidy=.log) >&2; exit 1; }
	@touch $@

lint-cppcheck:
	@mkdir -p build/lint/cppcheck
	@cppcheck --quiet -j$(JOBS) --cppcheck-build-dir=build/lint/cppcheck --std=c11 --error-exitcode=1 \
		--enable=warning,performance,portability --inline-suppr --suppress=missingIncludeSystem --suppress=legacyUninitvar --suppress=ctunullpointer --suppress=ctuuninitvar \
		-D_GNU_SOURCE -DCHARD_VERSION='""' --library=scripts/cppcheck.cfg -I. -Iinclude $(C_FILES) $(TEST_C)

-include $(shell find build/lint -name '*.d' 2>/dev/null)

format: ## let clang-format lay out all C files
	clang-format -i $(ALL_C)

# --- installing --------------------------------------------------------------------------------------

PKG_FILES = chard.pc libchard.pc
PUBLIC    = chard.h chard/base.h chard/plugin.h chard/producer.h
INSTALLED = $(bindir)/chard $(mandir)/man1/chard.1 $(mandir)/man3/libchard.3 $(PUBLIC:%=$(includedir)/%) \
            $(libdir)/libchard.so.$(VERSION) $(libdir)/$(SONAME) $(libdir)/libchard.so $(libdir)/libchard.a \
            $(PKG_FILES:%=$(libdir)/pkgconfig/%)

install: all ## install under $(DESTDIR)$(prefix)
	$(INSTALL) -d $(DESTDIR)$(bindir) $(DESTDIR)$(mandir)/man1 $(DESTDIR)$(mandir)/man3 $(DESTDIR)$(includedir)/chard \
		$(DESTDIR)$(libdir)/pkgconfig
	$(INSTALL) -m 755 build/chard $(DESTDIR)$(bindir)/chard
	for file in $(PUBLIC); do $(INSTALL) -m 644 include/$$file $(DESTDIR)$(includedir)/$$file || exit 1; done
	$(INSTALL) -m 755 build/libchard.so.$(VERSION) $(DESTDIR)$(libdir)/libchard.so.$(VERSION)
	ln -sf libchard.so.$(VERSION) $(DESTDIR)$(libdir)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(libdir)/libchard.so
	$(INSTALL) -m 644 build/libchard.a $(DESTDIR)$(libdir)/libchard.a
	$(INSTALL) -m 644 docs/man/chard.1 $(DESTDIR)$(mandir)/man1/chard.1
	$(INSTALL) -m 644 docs/man/libchard.3 $(DESTDIR)$(mandir)/man3/libchard.3
	for file in $(PKG_FILES); do \
		sed -e 's|@prefix@|$(prefix)|' -e 's|@bindir@|$(bindir)|' -e 's|@libdir@|$(libdir)|' \
			-e 's|@includedir@|$(includedir)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@NEEDS@|$(LIBCHARD_NEEDS)|' $$file.in \
			>$(DESTDIR)$(libdir)/pkgconfig/$$file && chmod 644 $(DESTDIR)$(libdir)/pkgconfig/$$file || exit 1; done

deb: all ## make Debian packages in build/deb
	@deploy/debian/build

image: program ## make a container image (OCI layout, SBOM) in build/image, without a container engine
	@deploy/image/build

uninstall: ## remove what install put there
	rm -f $(INSTALLED:%=$(DESTDIR)%)
	-rmdir $(DESTDIR)$(includedir)/chard 2>/dev/null || true

clean: ## remove what was built, but not the tests' Python and Node.js packages
	find build -mindepth 1 -maxdepth 1 ! -name venv ! -name exporter ! -name node ! -name console -exec rm -rf {} + 2>/dev/null || true
