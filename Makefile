# For a fresh Debian, Ubuntu or Raspberry Pi OS with Python 3.11 or newer:
#   make listen                 sets up .venv and listens to the default input device, or to the
#                               built-in demo where there is none
#   make test                   runs the linter, the type checker and all tests
#   sudo make install-service   installs streamgenre as a systemd service
PYTHON ?= python3
export PYTHON DESTDIR
# The tests start hundreds of commands, which would each compile their modules again.
export PYTHONDONTWRITEBYTECODE :=
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help listen test lint types check legs fuzz install-service uninstall-service docs release clean
help:
	@echo "make listen [ARGS='--input demo']   listen and classify"
	@echo "make test                           run the linter, the type checker and all tests"
	@echo "make legs                           try other Pythons and the oldest dependencies"
	@echo "make fuzz [SECONDS=60]              look for bytes that a parser cannot handle (Atheris)"
	@echo "make docs                           build the documentation site in site/"
	@echo "make release VERSION=1.2.3          build, check, commit and tag a release"
	@echo "sudo make install-service           install the systemd service"
	@echo "sudo make uninstall-service         remove it; settings and data are kept"

listen: $(VENV)/.listen
	@$(BIN)/streamgenre listen $(ARGS)

test: lint types
	@$(MAKE) --no-print-directory -j2 check legs

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

# Every program that a test needs is installed above, so a missing one is a failure. Many tests wait
# for real servers and devices: four files at a time keep two cores busy.
check: $(VENV)/.test
	STREAMGENRE_TEST_ALL=1 $(BIN)/pytest -q -n 4 --dist loadfile --no-loadscope-reorder

# Installs and tries streamgenre on the other Pythons of this machine, and on the lowest versions of
# its dependencies. `make test` does so beside the tests.
legs: $(VENV)/.test
	@nice $(BIN)/python scripts/short-leg

# Coverage-guided fuzzing of all parsers, one after another, each for SECONDS; needs a Python for
# which Atheris exists. What it finds is kept in tests/data/fuzz, which the tests replay.
SECONDS ?= 60
fuzz: $(VENV)/.test
	@$(BIN)/pip install -q --disable-pip-version-check atheris
	@nice $(BIN)/python scripts/fuzz --seconds $(SECONDS)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "streamgenre needs Python 3.11 or newer; this is $$($(PYTHON) --version 2>&1)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || scripts/system-packages python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/.listen: pyproject.toml | $(BIN)/python
	@scripts/system-packages libportaudio2 || \
		echo "continuing without PortAudio: files, pipes and radio work, sound cards do not"
	@echo "setting up $(VENV) (first run only)"
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[listen,web]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	@scripts/system-packages libportaudio2 libasound2-plugins pulseaudio pulseaudio-utils icecast2 ffmpeg tmux \
		mosquitto postgresql libzmq3-dev gcc libc6-dev jq faketime systemd prometheus \
		chromium nginx-light
	@{ command -v node && command -v npm; } >/dev/null || scripts/system-packages nodejs npm
	@echo "setting up $(VENV) for tests and training (first run only; TensorFlow is large)"
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[dev,train]'
	@touch $@

# scripts/service explains DESTDIR, PYTHON, PACKAGE and PIP_FLAGS.
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
