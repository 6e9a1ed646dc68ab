# make run: everything, from nothing to the λ pages.  make check: lint and unit tests.  make test: all tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NOTEBOOKS := $(wildcard notebooks/*.ipynb)

.PHONY: run lab site check test lint bench t4 format outputs assets clean

run: $(VENV)/.ready
	mkdir -p runs
	PIX2PIX_PRESET=quick $(BIN)/jupyter nbconvert --execute --ExecutePreprocessor.store_widget_state=False --to html \
		--output-dir runs $(NOTEBOOKS)
	@echo
	@echo "Done. Open in a browser:"
	@echo "  runs/quick/pretrained.html     the pretrained network: drag λ to any value"
	@echo "  runs/quick/lambda.html         six networks, one for each λ, that were trained just now"
	@echo "  runs/quick/path.html           one network for every λ, that was trained just now"
	@echo "and the notebooks with all results, such as runs/04_evaluate_lambda.html"

lab: $(VENV)/.ready-lab
	$(BIN)/jupyter lab notebooks

# The page on which one draws a house, static files in build/site. RUNS=folder-of-a-path takes another than the pretrained.
site: $(VENV)/.ready-onnx site/node_modules/.ready
	$(BIN)/python tools/build_site.py $(RUNS)
	@echo "Look at it: $(BIN)/python -m http.server -d build/site"

# For every save: lint, and the unit tests without browser, notebooks and Colab's environment.
check: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile -q -m "not slow"

# Everything, nbval with today's versions and with Colab's among it.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 15

lint: $(VENV)/.ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/oxlint --deny-warnings src site tests

# How fast a step is, and how fast pairs come, against the baseline; how fast the slider moves; what an export costs.
bench: $(VENV)/.ready-test site/node_modules/.ready
	$(BIN)/python benchmarks/bench_data.py
	$(BIN)/python benchmarks/bench_step.py
	$(BIN)/python benchmarks/bench_slider.py
	$(BIN)/python benchmarks/bench_path.py
	$(BIN)/python benchmarks/bench_page.py
	$(BIN)/python benchmarks/bench_export.py

# tests/training/test_cuda.py, the notebooks, a sweep, a path and bench_step.py on a T4 of Colab's. It needs a Google account
# and its program, on Python 3.12 or newer. REF=branch-tag-or-commit, that is pushed, is checked.
REF ?= main
t4:
	@command -v colab >/dev/null || { echo "First: pip install google-colab-cli==0.7.5"; exit 1; }
	colab run --gpu T4 --timeout 7200 --env REF=$(REF) tools/t4.py

format: $(VENV)/.ready-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python tools/tidy_notebooks.py

# The few notebook outputs that nbval compares, made anew.
outputs: $(VENV)/.ready-test
	PIX2PIX_PRESET=quick $(BIN)/python tools/tidy_notebooks.py --run

# The pictures of the README and docs. FACADES=folder-of-the-real-facades redraws those of their test pairs, too.
assets: $(VENV)/.ready-test
	$(BIN)/python tools/draw_assets.py $(FACADES)

clean:
	rm -rf $(VENV) $(VENV)-colab data runs build site/node_modules src/*.egg-info

$(VENV)/.ready: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -r requirements.txt
	$(BIN)/pip install --quiet --no-deps -e .
	touch $@

$(VENV)/.ready-%: $(VENV)/.ready
	$(BIN)/pip install --quiet -e '.[$*]'
	touch $@

site/node_modules/.ready: site/package-lock.json
	cd site && npm ci --ignore-scripts --no-audit --no-fund
	touch $@
