# What a person does with a checkout. `make` alone lists it.

# Tools installed into .venv come first, Node.js among them where PATH has none.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

prepare = python=$$(PYTHON='$(PYTHON)' sh deploy/setup/python.sh) && "$$python" deploy/setup/prepare.py

# Tests that build no engine, train nothing and start neither a server nor a browser.
quick = tests/engines tests/server/rtc tests/server/session tests/test_house.py tests/docs/test_pages.py \
	--ignore tests/engines/compilers --ignore tests/engines/training --ignore tests/server/session/test_recording.py

.PHONY: help setup serve test check lint bench-live fmt lock clean distclean

help:
	@echo "make serve       set up if need be, then serve the page on http://127.0.0.1:8080"
	@echo "make setup       do all of that but start"
	@echo "make test        linters, types, unit tests, and the whole path in real browsers"
	@echo "make check       linters, types, and the quick tests"
	@echo "make bench-live  measure the live path on this machine"
	@echo "make fmt         format and mend what the linters can mend"
	@echo "make lock        write requirements.lock anew; UPGRADE=1 takes the newest versions"
	@echo "make clean       remove what is built and cached; distclean also .venv and node_modules"

setup:
	@$(prepare) serve

serve: setup
	@exec .venv/bin/afterimage serve

# tests/conftest.py says which tests share a process. One that dies is not started again: it would only meet the same test.
test: lint
	pytest -n 3 --max-worker-restart 0

check: lint
	pytest -n 2 --max-worker-restart 0 $(quick)

lint:
	@$(prepare) test
	ruff check .
	ruff format --check .
	mypy engines server benchmarks tests deploy/setup
	npm --prefix client_web run lint
	npm --prefix client_web test

bench-live: setup
	@exec .venv/bin/python -m benchmarks.live

fmt:
	@$(prepare) test
	ruff check --fix .
	ruff format .
	npm --prefix client_web run format

lock:
	.venv/bin/python deploy/setup/lock.py $(if $(UPGRADE),--upgrade)

clean:
	rm -rf client_web/dist test-results .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -not -path './client_web/node_modules/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv client_web/node_modules afterimage.egg-info
