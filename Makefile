# `make demo` and `make test` are all a fresh machine needs: each target installs what it uses into .venv.
# `make help` lists the targets. Variables: PYTHON (3.11 or newer), VENV, JOBS (processes of the tests).
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
JOBS ?= 6
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Bytecode that is not kept is made again by each of a hundred processes.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: man kernels signatures wheel services rules help demo demo-live demo-loop lint test-fast test test-clusters test-spark test-pythons check broker format lock vendor chart bench fuzz chaos chaos-revoke clean

help: ## what the targets do
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | column -t -s $$'\t'

comma := ,
# $(call need,TEST,PACKAGES,MESSAGE): if TEST fails, installs Debian packages where root may, else says what to install.
need = { $(1); } > /dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && \
  flock Makefile sh -c 'apt-get update -qq && apt-get install -y -qq $(2)' > /dev/null && { $(1); } > /dev/null; } || \
  { echo "$(strip $(3))"; exit 2; }

# uv installs in seconds what takes pip minutes. It does not read pip's own settings: where these are needed, pip does it.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
PACKAGES := $(VENV)/.packages
$(PACKAGES): requirements.lock requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "curfewd needs Python 3.11 or newer: set PYTHON=/path/to/python3.11"; exit 2; }
	@$(call need,$(PYTHON) -m venv $(VENV),python3-venv,install Python's venv module (Debian: apt-get install python3-venv))
	@$(PIP) -r <(awk '/^[^ ]/ { wanted = /^uv==/ } wanted' requirements-dev.lock)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock 2> /dev/null || \
	  { echo "uv cannot install the packages: pip does, which takes some minutes"; $(PIP) -r requirements-dev.lock; }
	@touch $@

# The core is compiled by Rust 1.85 or newer; a change of one loop takes some seconds.
RUST := $(shell find core/src core/pages core/python -name '*.rs') core/Cargo.toml core/Cargo.lock core/pages/Cargo.toml core/python/Cargo.toml
RUST_MESSAGE := the core is compiled by Rust 1.85 or newer and a C linker: install them (rustup, or Debian: apt-get install rustc-web cargo-web gcc)
$(STAMP): $(PACKAGES) pyproject.toml $(RUST)
	@$(call need,command -v cargo && command -v rustc && command -v cc,--no-install-recommends rustc-web cargo-web gcc libc6-dev,$(RUST_MESSAGE))
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The tests of the service run against a real Apache Kafka, from its Maven artifacts.
KAFKA := .cache/kafka/.complete
$(KAFKA): tests/broker/pom.xml | $(STAMP)
	@$(call need,command -v java && command -v mvn,default-jre-headless maven,\
	  the tests start Apache Kafka: install Java 17 or newer and Maven (Debian: apt-get install default-jre-headless maven))
	@$(BIN)/python -m tests.broker fetch

# Tokens are revoked at a real OAuth 2 server, from npm. Node.js comes with the Python packages.
OAUTH := .cache/oauth-server/.complete
$(OAUTH): tests/revoke/servers/oidc_provider/package-lock.json | $(STAMP)
	@$(BIN)/python -c 'from tests.revoke.servers.oauth import fetch; fetch()'

# The pages are tested in a real Chromium.
.PHONY: chromium
chromium:
	@$(call need,command -v chromium chromium-browser google-chrome-stable google-chrome,chromium,\
	  the pages are tested in Chromium: install it (Debian: apt-get install chromium))

# The alerts are tested with a real Prometheus and Alertmanager. Debian starts both on their ports; the tests use others.
.PHONY: monitors
monitors:
	@$(call need,command -v prometheus && command -v promtool && command -v amtool && \
	  command -v prometheus-alertmanager alertmanager,--no-install-recommends prometheus prometheus-alertmanager,\
	  the alerts are tested with Prometheus 2.42 or newer and Alertmanager: install them (Debian: apt-get install prometheus prometheus-alertmanager))

# Completion and the manual page are tried in the shells themselves.
.PHONY: shells
shells:
	@$(call need,command -v zsh && command -v fish && command -v mandoc,zsh fish mandoc,\
	  completion is tested in zsh and fish$(comma) the manual page with mandoc: install them (Debian: apt-get install zsh fish mandoc))

# Revocations are tried at real stores. Debian's packages start them on their ports; the tests use others.
.PHONY: stores
stores:
	@$(call need,command -v redis-server && ls /usr/lib/postgresql/*/lib/pgaudit.so,--no-install-recommends \
	  postgresql postgresql-15-pgaudit redis-server,\
	  revocations are tested with PostgreSQL$(comma) pgaudit and Redis 7: install them (Debian: apt-get install postgresql postgresql-15-pgaudit redis-server))

demo: $(STAMP) ## replay the bundled incident and print what is found
	@$(BIN)/python examples/demo.py

demo-live: $(KAFKA) ## the incident live: broker, topics, service, live view; Ctrl-C ends it
	@$(BIN)/python examples/live_demo.py $(ARGS)

demo-loop: $(KAFKA) $(OAUTH) ## a leaked token and database role, revoked and proved dead in a second; Ctrl-C ends it
	@$(BIN)/python examples/loop_demo.py $(ARGS)

lint: $(STAMP) ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# Two processes: the inner loop of a small machine. tests/conftest.py says which tests are left out.
test-fast: $(STAMP) ## the tests without a broker, browser, Prometheus or other server, for the inner loop
	@$(BIN)/pytest -n 2 --dist worksteal -m "not broker and not browser and not monitoring and not servers and not clusters and not spark and not slow"

# Without a C compiler the wheel has none of them, and numba compiles them at the first start.
kernels: $(STAMP) ## compile the scanner's loops into detector/kernels (needs a C compiler)
	@$(BIN)/python deploy/kernels/build.py

signatures: $(STAMP) ## deploy/kernels/signatures.txt, after a change of what calls a loop
	@$(BIN)/python deploy/kernels/warm_up.py deploy/kernels/signatures.txt

wheel: $(STAMP) ## dist/*.whl, with the compiled loops if there is a C compiler
	@$(BIN)/python deploy/kernels/build.py || echo "the wheel goes without compiled loops"
	@PATH="$(abspath $(BIN)):$$PATH" maturin build --release --quiet --out dist

# The loops are compiled once, and not in each worker. A hundred processes of the tests then start without numba.
.PHONY: compiled collected prepared
compiled: $(STAMP)
	@$(BIN)/python deploy/kernels/build.py --here || $(BIN)/python -m detector.service.compiled_loops
	@$(BIN)/python examples/demo.py > /dev/null

# pytest keeps the tests with their assertions rewritten. Six processes at once would each rewrite all of them.
collected: compiled # without the loops, some tests would have numba compile them
	@$(BIN)/pytest --collect-only > /dev/null || true # the tests themselves say what is wrong

# `cargo fmt` and `cargo clippy` come with rustup, not with Debian's cargo.
CARGO := cargo --quiet
.PHONY: core
core: $(STAMP) ## the core's own tests, format and lint
	@cd core && $(CARGO) test --workspace --exclude curfewd-core-python
	@cd core && if $(CARGO) fmt --version > /dev/null 2>&1; then $(CARGO) fmt --all --check; fi
	@cd core && if $(CARGO) clippy --version > /dev/null 2>&1; then $(CARGO) clippy --all --all-targets -- --deny warnings; fi

prepared: lint core collected $(KAFKA) $(OAUTH) chromium monitors shells stores

test: ## everything CI runs: lint, types, all tests but those of the other targets
	@$(MAKE) --no-print-directory -j 4 prepared # while some of it waits for downloads, the rest has the processors
	@$(BIN)/pytest -n $(JOBS) --dist worksteal -m "not clusters and not spark and not chaos"

KEYCLOAK := .cache/keycloak/keycloak-26.7.3/.complete
$(KEYCLOAK): | $(STAMP)
	@$(call need,command -v java && command -v mvn,default-jre-headless maven,\
	  Keycloak needs Java 17 or newer and Maven: install them (Debian: apt-get install default-jre-headless maven))
	@$(BIN)/python -m tests.revoke.servers.keycloak

# MinIO, kube-apiserver and Vault are built from their Go modules, at the versions of tests/clusters/*/go.mod.
CLUSTERS := .cache/clusters
.PHONY: etcd
etcd:
	@$(call need,command -v etcd,etcd-server,the API server keeps its objects in etcd: install it (Debian: apt-get install etcd-server))

$(CLUSTERS)/%: tests/clusters/%/go.mod tests/clusters/%/go.sum
	@command -v go > /dev/null || { echo "$* is built by Go 1.26 or newer: install it"; exit 2; }
	@mkdir -p $(@D) && cd tests/clusters/$* && GOTOOLCHAIN=local nice -n 10 go build -trimpath -ldflags "-s -w" -o $(abspath $@) $(PROGRAM)
	@touch $@

$(CLUSTERS)/minio: PROGRAM := github.com/minio/minio
$(CLUSTERS)/kube-apiserver: PROGRAM := k8s.io/kubernetes/cmd/kube-apiserver
$(CLUSTERS)/vault: PROGRAM := .
$(CLUSTERS)/vault: tests/clusters/vault/main.go

test-clusters: $(STAMP) $(KEYCLOAK) etcd $(addprefix $(CLUSTERS)/,minio kube-apiserver vault) ## the tests at providers that take minutes to install: Keycloak, MinIO, kube-apiserver, Vault
	@$(BIN)/pytest -m clusters tests/clusters tests/revoke # where they are: to collect all takes minutes

SPARK := $(VENV)/.spark
$(SPARK): requirements-spark.lock | $(STAMP)
	@$(call need,command -v java,default-jre-headless,Spark needs Java 17 or newer: install it (Debian: apt-get install default-jre-headless))
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-spark.lock
	@touch $@

test-spark: $(SPARK) ## the tests on Apache Spark: two cores of this machine, and a standalone cluster of two workers
	@$(BIN)/pytest -m spark tests/spark

test-pythons: ## lint and fast tests on each of Python 3.11 to 3.14 that this machine has
	@.ci/test-pythons

check: test ## the same as test

broker: $(KAFKA) ## an Apache Kafka on loopback until Ctrl-C; NODES=3 for three
	@$(BIN)/python -m tests.broker run $(or $(NODES),1)

format: $(STAMP) ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(STAMP) ## renew the lock files from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" pyproject.toml --extra revoke -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" pyproject.toml --extra revoke --group dev -c requirements.lock requirements-build.in -o requirements-dev.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" -c requirements-dev.lock requirements-build.in -o requirements-build.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" -c requirements-dev.lock requirements-spark.in -o requirements-spark.lock

vendor: $(STAMP) ## renew detector/pages/d3.min.js from its packages (needs Node.js)
	@command -v npm > /dev/null || { echo "install Node.js and npm (Debian: apt-get install nodejs npm)"; exit 2; }
	@cd vendor && npm update --silent --no-audit --no-fund --ignore-scripts --omit-lockfile-registry-resolved
	@cd vendor && node_modules/.bin/esbuild entry.js --log-level=warning --bundle --minify --format=iife --global-name=d3 --target=es2020 --legal-comments=none --outfile=../detector/pages/d3.min.js
	@$(BIN)/python vendor/manifest.py

# Helm is built from its source, which takes some minutes: `make test` does without it and looks at what was rendered.
HELM := .cache/helm/helm
$(HELM):
	@command -v go > /dev/null || { echo "Helm is built by Go 1.24 or newer: install it"; exit 2; }
	@GOBIN=$(abspath $(dir $@)) GOTOOLCHAIN=local go install helm.sh/helm/v3/cmd/helm@v3.19.0

# The address of this repository's docs/runbooks, as your team reaches it: RUNBOOKS=https://docs.example/runbooks
rules: ## the alert rules in build/rules, with links to the runbooks at RUNBOOKS
	@test -n "$(RUNBOOKS)" || { echo "say where docs/runbooks can be read: make rules RUNBOOKS=https://…"; exit 2; }
	@mkdir -p $(or $(INTO),build/rules)
	@for file in deploy/prometheus/rules/*.yml; do \
	  sed "s|runbook_url: docs/runbooks/|runbook_url: $(RUNBOOKS:/=)/|" $$file > $(or $(INTO),build/rules)/$${file##*/}; done

services: $(STAMP) ## docs/services.md, from the patterns and docs/services.tsv
	@$(BIN)/python -m tests.docs.services_page > docs/services.new && mv docs/services.new docs/services.md

man: $(STAMP) ## the manual page, made from the parser, into build/curfewd.1
	@$(BIN)/python deploy/man/manual_page.py build/curfewd.1

chart: $(STAMP) $(HELM) ## render deploy/helm for its tests, and lint it (needs Go)
	@$(BIN)/python -m tests.deploy.charts
	@$(BIN)/pytest tests/deploy/test_deploy_helm.py

bench: $(STAMP) ## measure; see benchmarks/README.md
	@$(BIN)/python -m benchmarks

fuzz: $(STAMP) ## fuzz every target for SECONDS (60) each; see tests/fuzz/__main__.py
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60)

chaos: $(KAFKA) ## kill the service as `make test` does, TIMES (3) as often, judge random histories, and take its brokers away for long
	@rm -rf build/random-histories
	@CURFEWD_CHAOS=$(or $(TIMES),3) $(BIN)/pytest -n 2 --dist loadfile -k kill tests/kafka/test_stage_faults.py \
	  tests/replay/test_random_histories.py $(addprefix tests/service/whole/test_,process_faults.py standbys.py \
	  replay_parity.py redacted_topic.py random_histories_on_kafka.py); \
	  failed=$$?; $(BIN)/python -m tests.random_histories.record benchmarks/results/random_histories.md; exit $$failed
	@$(BIN)/pytest -n 2 --dist loadfile -m chaos -k "not kill" tests/service/whole tests/service/test_rights_taken.py # where they are: to collect all takes long

chaos-revoke: $(KAFKA) $(OAUTH) stores ## kill the revoker and the detector KILLS (30) times, also with a provider that hangs and lies
	@CURFEWD_CHAOS_KILLS=$(or $(KILLS),30) $(BIN)/pytest -n 0 tests/revoke/test_revoker_on_kafka.py tests/revoke/chaos_whole_way.py -k whatever_dies

clean: ## remove what the targets made
	rm -rf $(VENV) detector/kernels .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build out
