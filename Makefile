# `make run` opens the app, `make test` runs all tests; both set up what they need in .venv.
# `make help` lists the rest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python
WORKERS ?= 2
ARGS ?=

# Stamps carry a mark of this folder: a checkout that was copied or moved with its .venv
# installs anew, because the .venv would still import the old folder's code.
HERE := $(shell pwd | cksum | cut -d ' ' -f 1)
APP_READY := $(VENV)/ready-app-$(HERE)
DEV_READY := $(VENV)/ready-dev-$(HERE)

.PHONY: help run test check format catalogues clean

help:
	@echo "make run     set up .venv and open the app          (PORT=8600 chooses the port)"
	echo "make test    all tests, browser tests included      (ARGS='-k overlay' chooses)"
	echo "make check   ruff and mypy"
	echo "make format  let ruff rewrite the files"
	echo "make catalogues  bring the translations up to the sources, and list what lacks"
	echo "make clean   remove .venv and everything built"

run: $(APP_READY)
	@headless=true
	if [ "$$(uname)" = Darwin ] || [ -n "$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" ]; then
	    headless=false  # a desktop: Streamlit opens the browser
	fi
	port="$(PORT)"
	if [ -z "$$port" ]; then
	    port="$$($(PY) -c "$$FIND_PORT")"
	fi
	echo
	echo "  Open http://localhost:$$port    (Ctrl+C stops it)"
	exec $(PY) -m streamlit run app/main.py --server.port "$$port" --server.headless "$$headless"

catalogues: $(DEV_READY)
	@$(PY) -m tools.catalogues update
	$(PY) -m tools.catalogues missing

test: $(DEV_READY)
	@$(PY) tests/browser/chromium.py
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

# mypy cannot see that app/ is installed as inspector_app, so it gets a link of that name.
check: $(DEV_READY)
	@mkdir -p $(VENV)/types
	ln -sfn ../../app $(VENV)/types/inspector_app
	status=0
	echo "ruff check";  $(VENV)/bin/ruff check . || status=1
	echo "ruff format"; $(VENV)/bin/ruff format --check . || status=1
	echo "mypy";        MYPYPATH=$(VENV)/types $(PY) -m mypy || status=1
	exit $$status

format: $(DEV_READY)
	@$(VENV)/bin/ruff check --fix-only .
	$(VENV)/bin/ruff format .

clean:
	@rm -rf $(VENV) build dist artifacts *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(DEV_READY): requirements-dev.txt $(APP_READY)
	@$(PY) -m pip install --no-input -c constraints.txt -r requirements-dev.txt
	touch $@

$(APP_READY): requirements.txt constraints.txt pyproject.toml | $(PY)
	@echo "Installing what requirements.txt names (a few minutes the first time) ..."
	$(PY) -m pip install --no-input -c constraints.txt setuptools -r requirements.txt
	$(PY) -m pip install --no-input --quiet --no-build-isolation --no-deps --editable .
	touch $@

# Debian ships python3 without ensurepip: as root we add it, else we say what to install.
$(PY):
	@found=""
	for python in $(PYTHON) python3.11 python3 python3.12 python3.13; do
	    if "$$python" -c "$$NEW_ENOUGH" 2>/dev/null; then found="$$python"; break; fi
	done
	if [ -z "$$found" ]; then
	    echo "Python 3.11 or newer is needed; python3 here is: $$(python3 --version 2>&1)." >&2
	    echo "Install it, or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2
	    exit 2
	fi
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	        echo "$$found cannot make virtual environments; installing python3-venv ..."
	        apt-get update -qq
	        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv
	    else
	        echo "$$found cannot make virtual environments: its venv package is missing." >&2
	        echo "On Debian and Ubuntu: sudo apt-get install python3-venv" >&2
	        exit 2
	    fi
	fi
	echo "Making $(VENV) with $$("$$found" --version) ..."
	"$$found" -m venv $(VENV) || { rm -rf $(VENV); exit 2; }

define NEW_ENOUGH
import sys
sys.exit(sys.version_info < (3, 11))
endef
export NEW_ENOUGH

# The first free port from 8501 on, as Streamlit itself would choose, so that the address
# printed is the one served.
define FIND_PORT
import socket
for port in range(8501, 8600):
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            print(port)
            break
endef
export FIND_PORT
