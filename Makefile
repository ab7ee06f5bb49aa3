# make install   .venv with napari-exactile and all it needs      make lint   style, types, import rules
# make demo      the demonstration                                make docs   the pages, into site/
# make test      the tests                                        make clean  remove what these wrote
# make prove     long proofs: the tests' fuzzers in thousands, kills in dozens
# make test-bare images, stores and command line with the newest Python and no torch
# make models    the tables of networks in docs/models.md and docs/exact.md
# make pictures  the pictures of the pages and the README, from today's program

.PHONY: install demo test test-bare prove lint docs models pictures clean

BIN = .venv/bin
# napari needs a real window; where no screen is connected, it opens on a virtual one.
VIRTUAL_SCREEN = xvfb-run -a -s "-screen 0 1600x1000x24"
HAS_SCREEN = [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]

install:
	@scripts/install.sh

demo: install
	@if $(HAS_SCREEN); then $(BIN)/exactile demo; \
	else mkdir -p demo && $(VIRTUAL_SCREEN) $(BIN)/exactile demo --screenshot demo/screenshot.png; fi

# Two at a time, each with its own virtual screen, where nothing can cover or take the focus from its windows.
test: install
	@$(BIN)/python -m pytest -n 2 --dist loadfile

prove: install
	@EXACTILE_PROVE=20 $(BIN)/python -m pytest -n 2 -m "prove or hypothesis"

test-bare: install
	@scripts/test_bare.sh

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs:
	@scripts/install.sh docs
	$(BIN)/mkdocs build --strict

models: install
	$(BIN)/python scripts/model_table.py --write

# Always on a virtual screen of one size: the pictures depend on it.
pictures: install
	@$(VIRTUAL_SCREEN) $(BIN)/python scripts/pictures.py

clean:
	rm -rf build dist site demo .tox .venv-bare .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
