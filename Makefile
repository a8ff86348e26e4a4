# make book: render the book.  make test: prove it.  make run: open it in JupyterLab.
# make execute: run the chapters again and store what they show.  make results: the long runs.  make bench: speed.
# make student: the chapters without solutions, to hand out.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
NBVAL := --nbval --nbval-current-env --nbval-cell-timeout 600 --nbval-sanitize-with tests/nbval_sanitize.cfg

.PHONY: book test run execute results bench student clean

book: $(STAMP)
	$(BIN)/jupyter-book build . -W --keep-going --all
	@echo "Open $(CURDIR)/_build/html/index.html"

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/jupyter-book build . -W --keep-going --all
	$(ONE_THREAD) $(BIN)/python tests/run.py

run: $(STAMP)
	$(BIN)/jupyter lab book

execute: $(STAMP)
	$(ONE_THREAD) $(BIN)/python book/execute.py

results: $(STAMP)
	for name in book/experiments/[a-z]*.py; do \
	  $(ONE_THREAD) $(BIN)/python -m book.experiments.$$(basename $$name .py) || exit 1; done

bench: $(STAMP)
	$(BIN)/python -m pip install --quiet -r tests/benchmarks/requirements.txt
	$(ONE_THREAD) $(BIN)/python -m pytest tests/benchmarks -s

student: $(STAMP)
	$(BIN)/python book/student.py

clean:
	rm -rf _build .venv

$(STAMP): requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt
	@touch $(STAMP)
