# bpfrec: what a newcomer and CI run. `make help` lists the targets.

PYTHON ?= python3
comma := ,
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
SUDO_TESTS := $(if $(SUDO),$(SUDO) --preserve-env=CI$(comma)BPFREC_KERNEL_TESTS)

# Debian's packages: what recording needs, and what the tests and peers need besides.
SETUP_PACKAGES := gcc libc6-dev python3-bpfcc python3-venv
TEST_PACKAGES := binutils bpfcc-tools bpftool bpftrace chromium clang-format g++ gdb git linux-headers-amd64 procps sqlite3 strace
# Those from elsewhere serve as well as Debian's.
NODE_PACKAGE := $(if $(shell command -v node),,nodejs)
RUST_PACKAGE := $(if $(shell command -v rustc || ls ~/.cargo/bin/rustc 2>/dev/null),,rustc)
GO_PACKAGE := $(if $(shell command -v go),,golang-go)
JAVA_PACKAGE := $(if $(shell command -v javac),,default-jdk-headless)

missing = $(strip $(foreach p,$(1),$(shell dpkg-query -W -f '$${Status}' $(p) 2>/dev/null | grep -q 'ok installed' || echo $(p))))
install = $(if $(call missing,$(1)),$(SUDO) apt-get update -q && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(call missing,$(1)),@true)

.PHONY: help setup setup-dev demo test test-times test-floors test-spark lint format bench bench-analysis bench-fleet bench-stacks soak samples clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: packages $(VENV)/setup.done ## install what recording and analysis need; leaves .venv/bin/bpfrec

setup-dev: setup dev-packages $(VENV)/dev.done ## ... and what tests and lint need

.PHONY: packages dev-packages
packages:
	$(call install,$(SETUP_PACKAGES))

dev-packages:
	$(call install,$(TEST_PACKAGES) $(NODE_PACKAGE) $(RUST_PACKAGE) $(GO_PACKAGE) $(JAVA_PACKAGE))

# Hundreds of processes of the tests read the modules: also where PYTHONDONTWRITEBYTECODE is set none compiles them anew,
# and what root runs writes no files.
.PHONY: compiled
compiled:
	@$(BIN)/python -m compileall -q analyze bpf bpfrec formats record

$(VENV)/setup.done: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -e .
	$(MAKE) -s compiled
	$(BIN)/bpfrec man -o $(VENV)/share/man/man1
	mkdir -p $(VENV)/share/bash-completion/completions $(VENV)/share/zsh/site-functions $(VENV)/share/fish/vendor_completions.d
	$(BIN)/bpfrec completion bash > $(VENV)/share/bash-completion/completions/bpfrec
	$(BIN)/bpfrec completion zsh > $(VENV)/share/zsh/site-functions/_bpfrec
	$(BIN)/bpfrec completion fish > $(VENV)/share/fish/vendor_completions.d/bpfrec.fish
	touch $@

$(VENV)/dev.done: pyproject.toml $(VENV)/setup.done
	$(BIN)/pip install -q --disable-pip-version-check -e '.[dev]'
	touch $@

demo: setup ## record the first lab's server live and print what it did
	@BPFREC=$(BIN)/bpfrec SUDO=$(SUDO) sh docs/demo.sh

# Live BPF tests need root, and leave no files of root's behind. KERNEL_WORKERS=2 runs two of them at a time, but for
# those that others would disturb, which are marked alone.
test: setup-dev compiled ## run all tests, live BPF among them; FAST=1: without those, and without the slow ones
	$(BIN)/python -m pytest -n auto --dist worksteal -m 'not kernel$(if $(FAST), and not slow)'
ifndef FAST
	$(SUDO_TESTS) $(BIN)/python -m pytest $(if $(KERNEL_WORKERS),-n $(KERNEL_WORKERS) --dist loadgroup) -p no:cacheprovider -m kernel
endif

test-times: setup-dev ## run the tests of FAST=1 and list the CPU time they need
	$(BIN)/python -m pytest -n auto --dist worksteal -p support.cpu_times -m 'not kernel and not slow'

# The lowest versions are those that pyproject.toml names: x>=1.2 becomes x==1.2.
FLOORS := build/floors
test-floors: setup ## run tests that need no kernel with the lowest versions of the dependencies
	@mkdir -p build
	test -x $(FLOORS)/bin/python || $(PYTHON) -m venv $(FLOORS)
	sed -n '/^dependencies = /,/^]/s/^ *"\(.*\)>=\(.*\)",/\1==\2/p' pyproject.toml > build/floors.txt
	$(FLOORS)/bin/pip install -q --disable-pip-version-check -c build/floors.txt -e '.[dev]'
	$(FLOORS)/bin/python -m pytest -n auto --dist worksteal -p no:cacheprovider -m 'not kernel'

# Spark is a download of 455 MB, of which pip makes 500 MB in minutes, and it needs Java: nothing for every run of CI.
SPARK := build/spark
test-spark: setup ## run the tests with Apache Spark, which is downloaded once
	$(call install,$(JAVA_PACKAGE))
	@mkdir -p build
	test -x $(SPARK)/bin/python || $(PYTHON) -m venv $(SPARK)
	$(SPARK)/bin/pip install -q --disable-pip-version-check -e '.[dev,spark]'
	$(SPARK)/bin/python -m pytest -p no:cacheprovider tests/spark

# Static tools see the package through links: they do not follow setuptools' package-dir.
TYPED := build/typed/bpfrec
$(TYPED): FORCE
	@mkdir -p $@
	@ln -sfn $(CURDIR)/bpfrec/*.py $(CURDIR)/bpfrec/py.typed $@/
	@for f in analyze bpf formats record; do ln -sfn $(CURDIR)/$$f $@/$$f; done
.PHONY: FORCE
FORCE:

lint: setup-dev $(TYPED) ## ruff, mypy strict, import contracts, BPF C format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPYPATH=build/typed $(BIN)/mypy -p bpfrec
	cd build/typed && $(CURDIR)/$(BIN)/lint-imports --no-cache --no-logo --config $(CURDIR)/pyproject.toml
	clang-format --dry-run --Werror bpf/programs/*.[ch] tests/workloads/*.c $$(find bpf/programs/shim -name '*.h')

format: setup-dev ## format Python and C in place
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	clang-format -i bpf/programs/*.[ch] tests/workloads/*.c $$(find bpf/programs/shim -name '*.h')

$(VENV)/bench.done: pyproject.toml $(VENV)/setup.done
	$(BIN)/pip install -q --disable-pip-version-check -e '.[bench]'
	touch $@

.PHONY: bench-packages
bench-packages:
	$(call install,bpftrace findutils gcc git libc6-dev linux-perf strace tar)

# Whole recordings, from command line to prompt, are measured first: five minutes. The rest takes half an hour.
bench: bench-whole $(VENV)/bench.done ## measure what recording costs, beside the peers, as root; half an hour
	$(SUDO) $(BIN)/python tests/bench/run.py --json build/bench.json --picture build/bench.svg

.PHONY: bench-whole
bench-whole: setup bench-packages ## ... only start, time to prompt, CPU, memory and disk, beside perf trace record
	@mkdir -p build
	$(SUDO) $(BIN)/python tests/bench/whole.py --json build/bench-whole.json

bench-analysis: setup bench-packages ## ... and what asking costs, beside perf trace -s
	@mkdir -p build
	$(SUDO) $(BIN)/python tests/bench/analysis.py --json build/bench-analysis.json

bench-fleet: setup-dev ## ... and what questions to many traces cost; OPTIONS='--traces 2000 --on local'
	$(BIN)/python tests/bench/fleet.py $(OPTIONS)

bench-stacks: setup bench-packages ## ... and how soon a recording begins, and how many calls have no stack
	@mkdir -p build
	$(SUDO) $(BIN)/python tests/bench/stacks.py --json build/bench-stacks.json

# KILLS=200 DISKS=50 STARVED=30 make soak: the long one; SEED=N repeats a run.
soak: setup ## kill recorders, fill their disks and starve them, and check what is left, as root; a few minutes
	$(SUDO) $(BIN)/python tests/soak/soak.py --kills $(or $(KILLS),10) --disks $(or $(DISKS),5) --starved $(or $(STARVED),3) $(if $(SEED),--seed $(SEED))

$(VENV)/fuzz.done: pyproject.toml $(VENV)/dev.done
	$(BIN)/pip install -q --disable-pip-version-check -e '.[fuzz]'
	touch $@

.PHONY: fuzz
fuzz: setup-dev $(VENV)/fuzz.done ## feed damaged files to every reader, RUNS=1000000 of them, and print how many ran
	$(BIN)/python tests/fuzz/fuzz.py --runs $(or $(RUNS),1000000) $(TARGETS)

# setuptools puts what it finds in build/lib into the wheel, also modules that are gone.
.PHONY: wheel deb pex
wheel: setup ## build dist/bpfrec-*.whl
	rm -rf build/lib build/bdist.* dist/bpfrec-*.whl
	$(BIN)/pip wheel -q --disable-pip-version-check --no-deps --wheel-dir dist .

deb: wheel ## build dist/bpfrec_*.deb for this distribution (Debian, Ubuntu)
	sh docs/packaging/deb.sh dist/bpfrec-*.whl dist

$(BIN)/pex: $(VENV)/setup.done
	$(BIN)/pip install -q --disable-pip-version-check 'pex>=2.3'

pex: wheel $(BIN)/pex ## build dist/bpfrec.pex, one file for analysis
	$(BIN)/pex dist/bpfrec-*.whl -c bpfrec --venv --sh-boot -o dist/bpfrec.pex

samples: setup-dev ## record sample_traces/ anew, as root
	$(SUDO) env BPFREC=$(CURDIR)/$(BIN)/bpfrec sample_traces/record.sh

clean: ## remove what was built, the virtual environment too
	rm -rf build dist *.egg-info $(VENV)
