# LesionKit: "make help" lists what can be made.
#
# Everything runs in .venv, which is made on first use from the exact versions in requirements/. Once made, it works
# without a network; it is brought up to date when requirements/ or pyproject.toml change.

PYTHON ?= python3
TORCH := 2.13.0
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
MODULE_PATHS := "$(CURDIR)/LesionKit" "$(CURDIR)/CovidLungQuant" "$(CURDIR)/StrokeSynth" "$(CURDIR)/BodyPartRouter"
DEBIAN_PACKAGES := python3 python3-venv libstdc++6
# the Workbench draws without a screen
DEBIAN_DRAW_PACKAGES := libegl1 libgl1
# Qt without a screen, for the tests of the panels; DICOM peers, for those of the router's service
DEBIAN_TEST_PACKAGES := libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1 libglib2.0-0 fonts-dejavu-core dcmtk openssl chromium
ARGS ?=
SLICER ?= Slicer

unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench wheel-test mrml-newest slicer slicer-test lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(VENV)/.demo ## analyze the bundled sample CT and open the Workbench with it (ARGS=--no-serve ends after the report)
	@$(BIN)/lesionkit demo $(ARGS)

test: lint ## set up, lint and run all tests (ARGS go to pytest)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 $(ARGS)

lint: $(VENV)/.test ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(VENV)/.bench ## speed beside other segmenters, into docs/ (ARGS="--before FOLDER" adds an earlier version)
	$(BIN)/python Testing/benchmarks/bench_covid.py --curves --output docs $(ARGS)
	$(BIN)/python Testing/benchmarks/bench_router.py
	$(BIN)/python Testing/benchmarks/bench_stroke.py

# PYTHONS="python3.11 python3.12 python3.13" tries each of them
PYTHONS ?= $(PYTHON)
wheel-test: ## build sdist and wheel and run the command line from a clean environment (PYTHONS="python3.12 ...")
	Tools/try_wheel.sh build/wheel-test $(PYTHONS)

mrml-newest: ## run the MRML layer's tests on the newest slicer-core instead of the pinned one
	mkdir -p build
	sed 's/^slicer-core==.*/slicer-core/; /^vtk==/d; /^trame-slicer==/d; /^slicer-layer-dm==/d' requirements/demo.txt \
	  > build/mrml-newest-demo.txt
	sed 's|^-r demo.txt|-r mrml-newest-demo.txt|' requirements/test.txt > build/mrml-newest.txt
	$(PYTHON) -m venv --clear build/mrml-newest
	build/mrml-newest/bin/python -m pip install --quiet -r build/mrml-newest.txt
	build/mrml-newest/bin/python -m pip list | grep -i -E "^(slicer-core|vtk) "
	OMP_NUM_THREADS=1 build/mrml-newest/bin/python -m pytest -q Testing/mrml $(ARGS)

slicer: ## start 3D Slicer with the modules of this folder (SLICER=/path/to/Slicer)
	@command -v "$(SLICER)" >/dev/null || { \
	  echo "3D Slicer was not found at '$(SLICER)'; name its program: make slicer SLICER=/path/to/Slicer" >&2; exit 1; }
	"$(SLICER)" --additional-module-paths $(MODULE_PATHS)

slicer-test: ## run the modules' self-tests in 3D Slicer, panels and all (SLICER=/path/to/Slicer)
	@command -v "$(SLICER)" >/dev/null || { \
	  echo "3D Slicer was not found at '$(SLICER)'; name its program: make slicer-test SLICER=/path/to/Slicer" >&2; exit 1; }
	"$(SLICER)" --testing --no-splash --additional-module-paths $(MODULE_PATHS) \
	  --python-script "$(CURDIR)/Testing/slicer/run_self_tests.py"

# The pins: what pip chooses in a clean environment, less the build tag of the processor-only PyTorch.
# Each file names the one below it and holds only what comes on top.
HEADER := echo '\# Made by "make lock" on Debian 12 with Python 3.11; edit pyproject.toml, not this file.'
FREEZE := build/lock/bin/python -m pip list --format=freeze --exclude pip --exclude lesionkit | sed 's/+cpu$$//'
lock: ## renew the pinned versions in requirements/
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --upgrade "torch==$(TORCH)"
	build/lock/bin/python -m pip install ".[router,codecs,stroke,train,pdf,dicom,cohort,onnx,workbench]"
	$(FREEZE) > build/lock/demo.txt
	build/lock/bin/python -m pip install ".[router,codecs,stroke,train,pdf,dicom,cohort,onnx,workbench,test,slicer]"
	$(FREEZE) > build/lock/test.txt
	build/lock/bin/python -m pip install ".[router,codecs,stroke,train,pdf,dicom,cohort,onnx,workbench,test,slicer,bench]"
	$(FREEZE) > build/lock/bench.txt
	{ $(HEADER); cat build/lock/demo.txt; } > requirements/demo.txt
	{ $(HEADER); echo "-r demo.txt"; grep -vxFf build/lock/demo.txt build/lock/test.txt; } > requirements/test.txt
	{ $(HEADER); echo "-r test.txt"; grep -vxFf build/lock/test.txt build/lock/bench.txt; } > requirements/bench.txt
	rm -rf build/lock

clean: ## remove the environment, caches and build products
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis lesionkit-demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment -------------------------------------------------------------------------------------------------

# Fails where Python cannot make an environment or the wheels' C++ library is missing.
CAN_START := import ctypes, ensurepip, sys; sys.platform == "linux" and ctypes.CDLL("libstdc++.so.6")
CAN_DRAW := import ctypes, sys; sys.platform == "linux" and ctypes.CDLL("libEGL.so.1")
IS_RECENT := import sys; sys.exit(sys.version_info < (3, 11))
CAN_SHOW := import PySide6.QtWidgets, PySide6.QtUiTools, PySide6.QtGui as g; g.QGuiApplication([]); \
  assert g.QFontDatabase.families()
# install_debian PACKAGES,REASON: fails where the packages are missing and this user cannot install them
install_debian = if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
    echo "Installing $(1)"; \
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1); \
  else \
    echo "$(2); on Debian: sudo apt-get install $(1)" >&2; exit 1; \
  fi

$(BIN)/pip:
	@if ! $(PYTHON) -c '$(CAN_START)' >/dev/null 2>&1; then \
	  $(call install_debian,$(DEBIAN_PACKAGES),Python 3.11 with venv is needed); \
	fi
	@$(PYTHON) -c '$(IS_RECENT)' || { \
	  echo "Python 3.11 or later is needed; name one that you have: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: requirements/demo.txt pyproject.toml | $(BIN)/pip
	$(PIP) install --quiet -r requirements/demo.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c '$(CAN_DRAW)' >/dev/null 2>&1 || ($(call install_debian,$(DEBIAN_DRAW_PACKAGES),EGL is missing)) \
	  || echo "Without it the demo ends with its report, and does not open the Workbench." >&2
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.demo
	$(PIP) install --quiet -r requirements/test.txt
	@if ! QT_QPA_PLATFORM=offscreen $(BIN)/python -c '$(CAN_SHOW)' >/dev/null 2>&1; then \
	  $(call install_debian,$(DEBIAN_TEST_PACKAGES),Libraries that Qt needs are missing); \
	fi
	@command -v storescp >/dev/null || ($(call install_debian,dcmtk,The DICOM programs storescu and storescp are missing)) \
	  || echo "The tests with these programs are left out." >&2
	@touch $@

# Without dependencies, which are all pinned: nothing may exchange the PyTorch that is there.
$(VENV)/.bench: requirements/bench.txt $(VENV)/.test
	$(PIP) install --quiet --no-deps -r requirements/bench.txt
	@touch $@
