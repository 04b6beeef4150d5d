# The single entry: make run | test | check | bench | demo | clean. `make help` lists everything.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

BUILD ?= build
SANITIZE ?=
CC := gcc
WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wundef -Werror
HARDEN := -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection
CPPFLAGS := -D_GNU_SOURCE -I. -I$(BUILD)/gen -I/usr/include/postgresql
CFLAGS := -std=gnu17 -O2 -g $(WARNINGS) $(HARDEN)
LDFLAGS := -pie -Wl,-z,relro,-z,now -Wl,--as-needed -pthread
LIBS := -lpq -lcurl -lssl -lcrypto -lcjson -lyaml -lz -lseccomp -lnghttp2
ifneq ($(SANITIZE),)
CFLAGS += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -O1
LDFLAGS += -fsanitize=$(SANITIZE)
else
CPPFLAGS += -D_FORTIFY_SOURCE=2
endif

ROOMS := base store auth gateway engine engine/local engine/local/sandboxd engine/kubernetes tenancy notebooks ray webhook controlplane cli supervisor
SOURCES := $(filter-out %/main.c,$(foreach room,$(ROOMS),$(wildcard $(room)/*.c)))
GENERATED := $(BUILD)/gen/migrations.c $(BUILD)/gen/console_assets.c
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o) $(GENERATED:%.c=%.o)
LIBRARY := $(BUILD)/libatelier.a
PROGRAMS := $(BUILD)/atelier $(BUILD)/atelierd $(BUILD)/atelier-sandboxd

UNIT_TESTS := $(patsubst tests/unit/%_test.c,%,$(wildcard tests/unit/*/*_test.c tests/unit/*/*/*_test.c))
UNIT_PROGRAMS := $(foreach t,$(UNIT_TESTS),$(BUILD)/tests/$(subst /,_,$(t))_test)
INTEGRATION_TESTS := $(patsubst tests/integration/%_test.c,%,$(wildcard tests/integration/*_test.c))
INTEGRATION_PROGRAMS := $(foreach t,$(INTEGRATION_TESTS),$(BUILD)/tests/integration_$(t)_test)
KUBERNETES_PROGRAMS := $(patsubst tests/kubernetes/%_test.c,$(BUILD)/tests/kubernetes_%_test,$(wildcard tests/kubernetes/*_test.c))

.PHONY: all
all: $(PROGRAMS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	@echo "  CC      $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(LIBRARY): $(OBJECTS)
	@rm -f $@
	@echo "  AR      $@"
	@ar rcs $@ $(OBJECTS)

MIGRATIONS := $(sort $(wildcard */migrations/*.sql */*/migrations/*.sql))
$(BUILD)/gen/migrations.c: scripts/embed.py $(MIGRATIONS)
	@mkdir -p $(@D)
	/usr/bin/python3 scripts/embed.py migrations $@ $(MIGRATIONS)

CONSOLE_SOURCES := $(wildcard console/*.json console/*.html console/*.mjs console/src/*.ts console/src/*.tsx console/src/*/*.ts console/src/*/*.tsx console/src/*.css)
$(BUILD)/gen/console_assets.c: scripts/embed.py $(CONSOLE_SOURCES) controlplane/openapi.yaml
	@mkdir -p $(@D)
	scripts/console-build.sh $(BUILD)/console
	/usr/bin/python3 scripts/embed.py assets $@ $(BUILD)/console controlplane/openapi.yaml

$(BUILD)/atelier: $(BUILD)/obj/cli/main.o $(LIBRARY)
	@echo "  LINK    $@"
	@$(CC) $(LDFLAGS) $< $(LIBRARY) $(LIBS) -o $@
$(BUILD)/atelierd: $(BUILD)/obj/controlplane/main.o $(LIBRARY)
	@echo "  LINK    $@"
	@$(CC) $(LDFLAGS) $< $(LIBRARY) $(LIBS) -o $@
$(BUILD)/atelier-sandboxd: $(BUILD)/obj/engine/local/sandboxd/main.o $(LIBRARY)
	@echo "  LINK    $@"
	@$(CC) $(LDFLAGS) $< $(LIBRARY) $(LIBS) -o $@

define unit_rule
$(BUILD)/tests/$(subst /,_,$(1))_test: tests/unit/$(1)_test.c $(LIBRARY)
	@mkdir -p $$(@D)
	@echo "  TEST    $$@"
	@$(CC) $(CPPFLAGS) $(filter-out -Wmissing-prototypes,$(CFLAGS)) $(LDFLAGS) $$< $(LIBRARY) $(LIBS) -lcmocka -o $$@
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_rule,$(t))))
$(BUILD)/tests/kubernetes_%_test: tests/kubernetes/%_test.c $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  TEST    $@"
	@$(CC) $(CPPFLAGS) $(filter-out -Wmissing-prototypes,$(CFLAGS)) $(LDFLAGS) $< $(LIBRARY) $(LIBS) -lcmocka -o $@
$(BUILD)/tests/integration_%_test: tests/integration/%_test.c $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  TEST    $@"
	@$(CC) $(CPPFLAGS) $(filter-out -Wmissing-prototypes,$(CFLAGS)) $(LDFLAGS) $< $(LIBRARY) $(LIBS) -lcmocka -o $@

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# --- tests ------------------------------------------------------------------------------------------------------------
# make test: unit and integration tests (real PostgreSQL, real sandboxes), then the nine steps of the main job end to end
# with real Jupyter, Ray and Chromium. make test-fast leaves out the end-to-end part.
IMAGES ?= $(or $(ATELIER_IMAGES),$(CURDIR)/var/images)
TEST_VENV := $(BUILD)/test-venv
PYTEST = ATELIER_BUILD=$(abspath $(BUILD)) ATELIER_IMAGES=$(IMAGES) $(TEST_VENV)/bin/python -m pytest -c tests/pytest.ini --rootdir tests
JOBS ?= $(shell nproc)
.PHONY: test test-fast test-unit test-integration test-e2e test-programs
test:
	scripts/setup.sh --test
	$(MAKE) -j$(JOBS) all test-programs
	$(MAKE) test-unit test-integration test-e2e
test-fast:
	$(MAKE) -j$(JOBS) all test-programs
	$(MAKE) test-unit test-integration
test-programs: $(UNIT_PROGRAMS) $(INTEGRATION_PROGRAMS) $(KUBERNETES_PROGRAMS)
test-unit: $(UNIT_PROGRAMS)
	scripts/run-tests.sh unit $(UNIT_PROGRAMS)
test-integration: $(PROGRAMS) $(INTEGRATION_PROGRAMS) images
	ATELIER_BUILD=$(abspath $(BUILD)) ATELIER_IMAGES=$(IMAGES) scripts/run-tests.sh integration $(INTEGRATION_PROGRAMS)
test-e2e: $(PROGRAMS) images $(TEST_VENV)/.ready
	$(PYTEST) $(or $(PYTEST_ARGS),tests/e2e tests/attacks tests/conformance)
# The same as an ordinary user, whom root makes for this and removes again.
.PHONY: test-rootless
test-rootless: $(PROGRAMS) images $(TEST_VENV)/.ready
	ATELIER_TEST_PLATFORM=rootless $(PYTEST) $(or $(PYTEST_ARGS),tests/conformance/test_main_job.py tests/e2e/test_kubectl.py tests/e2e/test_outbound.py)
# Two walks of docs/examples and what docs/ray-air.md says, on the larger image that Ray Data, Train and Tune need.
.PHONY: test-examples test-examples-torch
test-examples: $(PROGRAMS) images-ml $(TEST_VENV)/.ready
	$(PYTEST) $(or $(PYTEST_ARGS),tests/examples --ignore tests/examples/test_torch.py)
# The other two, on the image with PyTorch: several GB from PyPI at first.
test-examples-torch: $(PROGRAMS) images-torch $(TEST_VENV)/.ready
	$(PYTEST) $(or $(PYTEST_ARGS),tests/examples/test_torch.py)
# A real kube-apiserver, controllers, scheduler and nodes that say that they run pods; built from their modules at first.
.PHONY: test-kubernetes
test-kubernetes: $(PROGRAMS) $(KUBERNETES_PROGRAMS) images $(TEST_VENV)/.ready
	tests/kubernetes/tools/build.sh kube-apiserver kube-controller-manager kube-scheduler kwok istio-crds kubectl helm
	ATELIER_BUILD=$(abspath $(BUILD)) tests/kubernetes/run.sh $(KUBERNETES_PROGRAMS)
	ATELIER_TEST_PLATFORM=kwok $(PYTEST) $(or $(PYTEST_ARGS),tests/kubernetes tests/conformance $(WITHOUT_MESH))
WITHOUT_MESH = $$([ -x "$$(tests/kubernetes/tools/build.sh --folder istiod)/istiod" ] || echo --ignore tests/kubernetes/test_mesh.py)
# The chart's Istio objects, taken by a real istiod and a real Envoy. Building istiod takes some ten minutes at first: test-kubernetes
# runs these only where it is built.
.PHONY: test-mesh
test-mesh: $(PROGRAMS) $(TEST_VENV)/.ready
	tests/kubernetes/tools/build.sh kube-apiserver kube-controller-manager istio-crds kubectl helm
	tests/kubernetes/tools/build.sh istiod
	$(PYTEST) $(or $(PYTEST_ARGS),tests/kubernetes/test_mesh.py)
# The image, built by buildah and looked into. Root; some minutes of package downloads, not in CI.
.PHONY: test-image
test-image: $(TEST_VENV)/.ready
	scripts/setup.sh --test --image
	$(PYTEST) $(or $(PYTEST_ARGS),tests/image)
# Also containerd, kubelet, kube-proxy, kube-router and CoreDNS in a network namespace: pods that run. Root; some minutes, not in CI.
.PHONY: test-kubernetes-node
test-kubernetes-node: $(PROGRAMS) images $(TEST_VENV)/.ready
	scripts/setup.sh --test --kubelet
	tests/kubernetes/tools/build.sh kubectl helm
	ATELIER_BUILD=$(abspath $(BUILD)) tests/kubernetes_node/run.sh $(IMAGES) $(abspath $(TEST_VENV))/bin/python
$(TEST_VENV)/.ready: tests/requirements.txt
	/usr/bin/python3 -m venv $(TEST_VENV)
	$(TEST_VENV)/bin/pip install --quiet -r tests/requirements.txt
	touch $@

# --- checks -----------------------------------------------------------------------------------------------------------
C_FILES = $(shell git ls-files --cached --others --exclude-standard '*.c' '*.h')
.PHONY: check check-format check-layers check-console check-static check-sanitizers
check: check-format check-layers check-console check-static check-sanitizers
check-format:
	clang-format --dry-run --Werror $(C_FILES)
check-layers:
	python3 scripts/check-layers.py
	python3 scripts/check-tree.py
# The console's types; what it looks like and whom it serves is tested end to end.
check-console: $(BUILD)/gen/console_assets.c
	cd console && npm --silent run check
# gcc's analyzer over every file of the library; the strict warnings are in every build.
check-static: $(GENERATED)
	scripts/analyze.sh "$(CPPFLAGS)" "$(filter-out -O2,$(CFLAGS))" $(SOURCES)
check-sanitizers:
	$(MAKE) BUILD=$(BUILD)/asan SANITIZE=address,undefined test-fast

.PHONY: fuzz
FUZZ_SECONDS ?= 20
fuzz: $(GENERATED)
	scripts/fuzz.sh $(BUILD)/fuzz $(FUZZ_SECONDS) $(wildcard tests/fuzz/*_fuzz.c)

.PHONY: bench bench-kubernetes bench-console bench-api bench-fanout bench-proxy bench-ray bench-autoscale demo
bench: $(PROGRAMS) images $(TEST_VENV)/.ready
	ATELIER_BUILD=$(abspath $(BUILD)) ATELIER_IMAGES=$(IMAGES) $(TEST_VENV)/bin/python bench/run.py
$(BUILD)/bench/%: bench/%.c $(LIBRARY)
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(filter-out -Wmissing-prototypes,$(CFLAGS)) $(LDFLAGS) $< $(LIBRARY) $(LIBS) -o $@
BENCH = ATELIER_BUILD=$(abspath $(BUILD)) ATELIER_IMAGES=$(IMAGES) $(TEST_VENV)/bin/python
$(BUILD)/bench/hub/.ready: bench/hub-requirements.txt $(TEST_VENV)/.ready
	@mkdir -p $(@D)
	python3 -m venv $(@D)/venv
	$(@D)/venv/bin/pip install --quiet -r bench/hub-requirements.txt
	npm install --silent --no-audit --no-fund --prefix $(@D) configurable-http-proxy
	@touch $@
bench-api: $(PROGRAMS) $(TEST_VENV)/.ready $(BUILD)/bench/hub/.ready
	scripts/setup.sh --bench
	$(BENCH) bench/api.py
bench-fanout: $(PROGRAMS) $(BUILD)/bench/fanout $(TEST_VENV)/.ready
	$(BENCH) bench/fanout.py
bench-proxy: $(PROGRAMS) images $(TEST_VENV)/.ready
	scripts/setup.sh --bench
	$(BENCH) bench/proxy.py
bench-ray: $(PROGRAMS) images $(TEST_VENV)/.ready
	scripts/setup.sh --bench
	$(BENCH) bench/ray.py
bench-autoscale: $(PROGRAMS) images $(TEST_VENV)/.ready
	$(BENCH) bench/autoscale.py
bench-kubernetes: $(PROGRAMS) $(BUILD)/bench/kubernetes_writes $(TEST_VENV)/.ready
	tests/kubernetes/tools/build.sh kube-apiserver kube-controller-manager kube-scheduler kwok istio-crds kubectl helm
	ATELIER_BUILD=$(abspath $(BUILD)) $(TEST_VENV)/bin/python bench/kubernetes.py
# What atelierd costs where nothing happens: BENCH_PROFILES (10000) profiles, each with a notebook and a Ray cluster.
.PHONY: bench-kubernetes-steady
bench-kubernetes-steady: $(PROGRAMS) $(TEST_VENV)/.ready
	tests/kubernetes/tools/build.sh kube-apiserver kube-controller-manager kube-scheduler kwok istio-crds kubectl helm
	ATELIER_BUILD=$(abspath $(BUILD)) $(TEST_VENV)/bin/python bench/kubernetes_steady.py
# The console in Chromium over a slow line, and what a person does from sign-in to a cell that has run.
bench-console: $(PROGRAMS) images $(TEST_VENV)/.ready
	ATELIER_BUILD=$(abspath $(BUILD)) ATELIER_IMAGES=$(IMAGES) $(TEST_VENV)/bin/python bench/console.py
# Walks steps 3 to 8 of the main job against a running service (make run), printing each command.
demo: $(PROGRAMS)
	scripts/demo.sh

# --- running ----------------------------------------------------------------------------------------------------------
# make run: what is missing is installed, built and prepared, then the service runs in the foreground until Ctrl-C. When
# nothing is missing, all of that is a check of some tenths of a second. stdout carries the sign-in line only.
.PHONY: run setup deps images images-ml images-torch install clean help
run:
	@scripts/setup.sh 1>&2
	@$(MAKE) --no-print-directory -s -j$(JOBS) all 1>&2
	@$(MAKE) --no-print-directory -s images 1>&2
	@ATELIER_IMAGES="$(IMAGES)" exec $(BUILD)/atelier local up
setup:
	scripts/setup.sh
deps:
	scripts/setup.sh --test
# The Python environments that notebooks and Ray nodes run, into $(IMAGES); up to date is told by a stamp.
images:
	@scripts/image-build.sh ray-2.60 "$(IMAGES)"
# Larger ones, each over the one before.
images-ml images-torch: images-%:
	@scripts/image-build.sh ray-2.60-$* "$(IMAGES)"

PREFIX ?= /usr/local
install: $(PROGRAMS)
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin/
	install -d $(DESTDIR)$(PREFIX)/share/man/man1
	$(BUILD)/atelier man > $(DESTDIR)$(PREFIX)/share/man/man1/atelier.1
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(BUILD)/atelier completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/atelier
	$(BUILD)/atelier completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_atelier
	$(BUILD)/atelier completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/atelier.fish

# Leaves the data directory (var/) alone: `atelier local down`, then rm -rf var, removes that.
clean:
	rm -rf $(BUILD)

help:
	@echo 'make run         install what is missing, build, prepare the image, run in the foreground'
	@echo 'make             build $(BUILD)/atelier, $(BUILD)/atelierd and $(BUILD)/atelier-sandboxd'
	@echo 'make demo        walk the main job against a running service'
	@echo 'make test        unit, integration and end-to-end tests; test-fast leaves out the last'
	@echo 'make test-rootless  the main job, kubectl and the way outside as an ordinary user (root, who makes one)'
	@echo 'make test-examples  the walks digits and breast_cancer of docs/examples, on the image ray-2.60-ml, which it makes'
	@echo 'make test-examples-torch  the walks image_training and rllib, on ray-2.60-torch, which it makes: several GB'
	@echo 'make test-kubernetes  the Kubernetes engine, the chart and the roles on a real control plane, built at first'
	@echo 'make test-image the Dockerfile, built by buildah on Debian packages, and what is in the image (root)'
	@echo 'make test-mesh  requests through an Envoy that a real istiod leads, built at first: some ten minutes'
	@echo 'make test-kubernetes-node  real notebooks and Ray clusters as pods of a real node (root)'
	@echo 'make check       format, layers, types of the console, static analysis, tests under sanitizers'
	@echo 'make fuzz        every fuzz target for FUZZ_SECONDS (20) each'
	@echo 'make bench       the figures of bench/; bench-api, bench-fanout, bench-proxy, bench-ray, bench-autoscale, bench-console, bench-kubernetes have theirs'
	@echo 'make setup       install the packages of scripts/packages.txt; make deps adds those of the tests'
	@echo 'make images      prepare the Python environments in $$ATELIER_IMAGES (default var/images);'
	@echo '                 images-ml and images-torch make the larger ones'
	@echo 'make install     copy the programs, the manual page and shell completions to $$DESTDIR$$PREFIX (default /usr/local)'
	@echo 'make clean       remove $(BUILD)/'
	@echo
	@echo 'ATELIER_DATA (default var), ATELIER_LISTEN (default 127.0.0.1:8080) and the other settings of'
	@echo 'docs/configuration.md are taken from the environment.'
