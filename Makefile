# `make demo` and `make test` set up everything on a machine that has Python 3.10 or newer; a second run starts at once.
PYTHON ?= python3
BIN := .venv/bin
# The stamp is newer than pyproject.toml as long as what it asks for is installed.
STAMP := .venv/.installed

.PHONY: demo test check docs benchmark clean

demo: $(STAMP)
	$(BIN)/vlhyper demo --out demo

# One thread a process: two processes of tests share the cores. In the order of the files: the slow ones have few tests,
# and would come last.
test: check
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

check: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documentation as a site, in site/.
docs: $(STAMP)
	$(BIN)/mkdocs build --strict

# Small sizes, random weights and pictures of the miniature world: a few minutes. See the --help of each script for the
# full sizes; benchmarks/scoring.py needs the official evaluator and its files.
benchmark: $(STAMP)
	$(BIN)/python benchmarks/features_reading.py --counts 500,5000
	$(BIN)/python benchmarks/features_storage.py
	$(BIN)/python benchmarks/features_extraction.py --images 32 --rounds 2 --precisions fp32
	$(BIN)/python benchmarks/readers.py --vqa 20000 --gqa 200000

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(STAMP)

clean:
	rm -rf .venv demo site .mypy_cache .ruff_cache .pytest_cache
