# make book: render the book.  make test: prove it.  make run: open it in JupyterLab.
# make execute: run the chapters again and store what they show.  make results: the long runs.  make bench: speed, kept for the page on run times.
# make portable: every test as on other processors.  make twice: every cell twice, every chapter alone in a folder.
# make pdf: the whole book as one PDF.
# make wheel: build the package and test it alone.  make student: the chapters without solutions, to hand out.

PYTHON ?= python3
BIN := .venv/bin
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
ASKED := $(if $(filter file default undefined,$(origin PYTHON)),,--asked)
SEEDS ?= 0 1 2 3 4
ARGS ?=
FOLDER ?= _build/student
ROOT := $(if $(filter 0,$(shell id -u)),--allow-root --no-browser)

.PHONY: book pdf test run execute results bench portable twice wheel student clean environment

book: environment
	$(BIN)/jupyter-book build . -W --keep-going --all
	@echo "Open $(CURDIR)/_build/html/index.html"

pdf: book
	$(BIN)/python book/pdf.py

test: environment
	$(ONE_THREAD) $(BIN)/python tests/run.py

run: environment
	@echo "Opens book/index.ipynb; its address is printed below. In a container: make run ARGS=\"--ip=0.0.0.0 --no-browser\""
	@$(BIN)/jupyter trust book/*.ipynb book/appendices/*.ipynb >/dev/null
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/book/index.ipynb --LabApp.app_settings_dir=book/jupyterlab \
	  $(ROOT) $(ARGS)

execute: environment
	$(ONE_THREAD) $(BIN)/python book/execute.py $(ARGS)

results: environment
	for name in $$(grep -l __main__ book/experiments/*.py); do \
	  $(ONE_THREAD) $(BIN)/python -m book.experiments.$$(basename $$name .py) || exit 1; done

bench: environment
	$(BIN)/python -m pip install --quiet -r tests/benchmarks/requirements.txt
	$(ONE_THREAD) NEURALMEM_STORE=1 $(BIN)/python -m pytest tests/benchmarks -s $(ARGS)

portable: environment
	$(ONE_THREAD) $(BIN)/python tests/run.py --portable $(SEEDS)

twice: environment
	$(ONE_THREAD) $(BIN)/python tests/run.py --twice

wheel: environment
	$(BIN)/python tests/alone.py

student: environment
	$(BIN)/python book/student.py "$(FOLDER)"

# What a person may have edited stays: _build/student, and a .venv that is no environment.
clean:
	if [ -f .venv/pyvenv.cfg ]; then rm -rf .venv; fi
	if [ -d _build ]; then find _build -mindepth 1 -maxdepth 1 ! -name student -exec rm -rf {} +; fi

environment:
	@$(PYTHON) .ci/environment.py $(ASKED)
