# `make demo` and `make test` work in a fresh clone: each makes .venv and installs what it needs.
# PYTHON=... chooses the interpreter (3.11 or later) that .venv is made with.

SUITABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c '$(SUITABLE)' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt
DEMO := packaging/demo
# Blender's own Python (bpy wants 3.11); it is made where none is named.
BLENDER := $(or $(STYLESYNC_BLENDER_PYTHON),$(CURDIR)/.venv-blender/bin/python)

.PHONY: demo encode-table test lint format slow-test fuzz packages check-blender check-mlt check-gpu clean

demo: .venv/.base
	mkdir -p demo-out
	$(BIN)/stylesync-engine dub --video $(DEMO)/take_to_dub.mp4 --speech $(DEMO)/line.wav \
		--style $(DEMO)/style.mp4 --length silence --output demo-out/dub.mov
	$(BIN)/python -m stylesync_engine.review.contact_sheet $(DEMO)/take_to_dub.mp4 demo-out/dub.mov \
		demo-out/before-after.png
	@echo "The dub:          $(CURDIR)/demo-out/dub.mov"
	@echo "Before and after: $(CURDIR)/demo-out/before-after.png"

test: .venv/.dev lint
	QT_QPA_PLATFORM=offscreen OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

slow-test: .venv/.dev
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -m "slow and not gpu"

fuzz: .venv/.dev
	$(BIN)/python tests/whole/fuzz.py

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

packages: .venv/.dev
	$(BIN)/python packaging/build.py dist

# Builds, installs into an empty environment, dubs a real clip inside Blender and compares frames.
check-blender: .venv/.dev $(BLENDER)
	STYLESYNC_BLENDER_PYTHON=$(BLENDER) QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -m slow \
		-rP tests/whole/test_packages.py tests/plugin/hosts

# The same with melt, and with Kdenlive and Shotcut themselves under a display of their own.
check-mlt: .venv/.dev
	@for program in melt kdenlive shotcut xvfb-run dbus-run-session xdotool; do \
		command -v $$program >/dev/null || { echo "check-mlt needs $$program; on Debian:\
 apt-get install melt kdenlive shotcut xvfb dbus-x11 xdotool" >&2; exit 1; }; done
	$(BIN)/python -m pytest -m slow -rP tests/plugin/hosts/test_hosts_mlt.py

# What real encodes keep through a dub, measured; needs the ffmpeg and melt programs.
encode-table: .venv/.dev
	$(BIN)/python packaging/encode_table.py --output packaging/encodes.md

# What a CUDA machine does, in eight minutes: a table, and gpu.json.
check-gpu: .venv/.dev
	$(BIN)/python packaging/check_gpu.py --output gpu.json

clean:
	rm -rf demo-out dist build .mypy_cache .pytest_cache .ruff_cache

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "StyleSync needs Python 3.11 or later with its venv module;\
	 install it or name it with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv .venv

$(CURDIR)/.venv-blender/bin/python:
	$(PYTHON) -m venv .venv-blender
	$@ -m pip install --quiet "bpy==5.0.1" "numpy>=1.26,<2" || { rm -rf .venv-blender; exit 1; }

.venv/.base: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) --editable .
	@$(BIN)/python -c "import cv2" || { echo "OpenCV needs the system's libGL and glib;\
	 on Debian: apt-get install libgl1 libglib2.0-0" >&2; exit 1; }
	touch $@

.venv/.dev: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) --editable ".[panel,train,lines,farm,provenance,exr,dev]"
	touch .venv/.base $@
