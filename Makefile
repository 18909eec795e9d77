# Each target in one line; `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help operator dev packages demo site mirror teardown test lint typecheck unit integration molecule cluster soak bench docs docs-test locks clean
MAKEFLAGS += --no-print-directory
# Files of tests run beside each other: most of them wait for something most of the time.
WORKERS := --numprocesses=2 --dist=loadfile
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# The password of sudo is asked for where it is needed.
BECOME := $(shell [ "$$(id -u)" = 0 ] || sudo -n true 2>/dev/null || echo --ask-become-pass)

help:            ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

operator:        ## .venv with what operating a deployment needs
	@scripts/environment operator
dev:             ## .venv with what developing needs
	@scripts/environment dev
packages: dev    ## the Debian packages that the tests need, where they are missing
	@scripts/packages

demo: operator   ## set this machine up and run two real workloads on it
	@scripts/demo.py $(BECOME)
site: operator   ## set this machine up
	@ansible-playbook $(BECOME) playbooks/site.yml
mirror: dev      ## programs and images for a cluster that has no Internet access, below ~/.cache/penstock
	@ansible-playbook playbooks/mirror.yml
teardown: operator ## remove what site.yml put here; data stay (ARGS='-e teardown_data=true' removes them)
	@ansible-playbook $(BECOME) playbooks/teardown.yml $(ARGS)

test: packages   ## every test there is, with a summary
	@scripts/test lint typecheck unit docs-test molecule integration cluster
lint: dev        ## style of Python, Ansible, YAML and imports
	@ruff check --quiet && ruff format --check --quiet && lint-imports --no-cache >/dev/null && yamllint --strict . && ansible-lint -q --offline && echo "lint: clean"
typecheck: dev   ## mypy, strict
	@mypy
unit: dev        ## tests without processes or servers
	@pytest -q $(WORKERS) tests/unit --deselect tests/unit/test_docs.py
integration: packages ## tests with real parts
	@pytest -q $(WORKERS) tests/integration
docs-test: dev   ## whether everything is documented
	@pytest -q tests/unit/test_docs.py
molecule: packages ## the roles on throw-away hosts
	@scripts/molecule
cluster: packages ## a Kubernetes cluster on this machine, all that runs on one, and its removal (MORE='-k name')
	@scripts/cluster $(MORE)
soak: packages   ## every victim of kill -9 in every phase with five seeds, 350 kills more, outages, 16 GiB sent at once: an hour
	@PENSTOCK_SOAK=5 pytest -q -s tests/integration/kills tests/integration/faults tests/integration/kwok tests/integration/uploads
	@PENSTOCK_SOAK=5 scripts/cluster
bench: dev       ## the figures that the project publishes
	@for one in benchmarks/*.py; do python "$$one"; done
docs: dev        ## the pages that are written from the code
	@python scripts/docs.py
locks: dev       ## requirements/*.txt from pyproject.toml, with hashes
	@scripts/locks
clean:           ## what was built or cached in this checkout
	@rm -rf build dist .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache demo-results
