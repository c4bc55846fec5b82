# Two commands do everything on a fresh Debian, Ubuntu or Raspberry Pi OS with Python 3.11+:
#   make listen    listens to the default input device (else plays the built-in demo)
#   make test      lint, types and all tests
# And one makes it stay: sudo make install-service
PYTHON ?= python3
export PYTHON DESTDIR
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help listen test lint types check install-service uninstall-service docs release clean
help:
	@echo "make listen [ARGS='--input demo']   listen and classify; make test   lint, types, tests"
	@echo "sudo make install-service | uninstall-service   a systemd service (see README.md)"

listen: $(VENV)/.listen
	@$(BIN)/streamgenre listen $(ARGS)

test: lint types check

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

# Everything that a test may need is installed above, so a part that is missing is a failure. Much of
# what is tested waits for real parts, by the clock: three files at a time keep two cores busy.
check: $(VENV)/.test
	STREAMGENRE_TEST_ALL=1 $(BIN)/pytest -q -n 3 --dist loadfile --no-loadscope-reorder

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "streamgenre needs Python 3.11 or newer; this is $$($(PYTHON) --version 2>&1)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || scripts/system-packages python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/.listen: pyproject.toml | $(BIN)/python
	@scripts/system-packages libportaudio2 || echo "without PortAudio there are no sound cards; files and pipes work"
	@echo "setting up $(VENV) (the first time only)"
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[listen]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	@scripts/system-packages libportaudio2 libasound2-plugins pulseaudio pulseaudio-utils icecast2 ffmpeg tmux \
		mosquitto libzmq3-dev gcc libc6-dev jq faketime systemd
	@{ command -v node && command -v npm; } >/dev/null || scripts/system-packages nodejs npm
	@echo "setting up $(VENV) for tests and training (the first time only; TensorFlow is large)"
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[dev,train]'
	@touch $@

# DESTDIR, PYTHON, PACKAGE and PIP_FLAGS are told in the script.
install-service:
	@scripts/service install

uninstall-service:
	@scripts/service uninstall

# The documentation as a site, in site/.
docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[docs]'
	@touch $@

# make release VERSION=1.2.3: see CONTRIBUTING.md.
release:
	@scripts/release $(VERSION)

clean:
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis
