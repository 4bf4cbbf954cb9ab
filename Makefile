# `make demo` and `make test` do all of their own set-up. PYTHON chooses the interpreter, VENV the environment's folder.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEMO ?= datasets/demo

.PHONY: demo serve test test-long test-browser test-k8s checkov check format examples judge judge-all kill-sweep bench pictures screenshots \
	clean help

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.installed ## set up, collect five episodes on the embedded simulator, check the dataset
	$(BIN)/isaac-collect collect --num-episodes 5 --seed 42 --output $(DEMO) --resume
	$(BIN)/isaac-collect check $(DEMO)
	@echo "In LeRobot: from lerobot.datasets.lerobot_dataset import LeRobotDataset; \
	LeRobotDataset('isaac-collect/pick_place', root='$(abspath $(DEMO))')"

serve: $(VENV)/.installed ## set up, run the service: web page and API at http://127.0.0.1:8600
	$(BIN)/isaac-collect serve

test: $(VENV)/.installed-dev ## set up, run all tests but the long ones, a file at a time on every core
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

test-long: $(VENV)/.installed-dev ## the tests that take minutes
	$(BIN)/python -m pytest -m "long and not kubectl" -n auto --maxprocesses 8 --dist loadfile

test-browser: $(VENV)/.installed-browser ## set up, with Chromium; the web page in a real browser
	$(BIN)/python -m pytest -m browser

test-k8s: $(VENV)/.installed-dev ## the manifests as kubectl renders and sends them, and a run of them in an emulator; needs kubectl
	@command -v kubectl >/dev/null || { echo "test-k8s: kubectl 1.27 or newer is missing: https://kubernetes.io/docs/tasks/tools/" >&2; exit 1; }
	$(BIN)/python -m pytest -m kubectl -n auto --maxprocesses 8 --dist loadfile

checkov: $(VENV)/.installed-dev ## the manifests' security, by checkov (makes its environment); needs kubectl
	$(BIN)/python tests/kubernetes_batch_checkov.py

check: $(VENV)/.installed-dev ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile
	$(BIN)/shellcheck docker/*.sh k8s/*.sh tools/*.sh .ci/run

format: $(VENV)/.installed-dev ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

examples: $(VENV)/.installed ## run the examples
	$(BIN)/python examples/write_a_dataset.py
	$(BIN)/python examples/collect_ten_episodes.py --episodes 1

judge: $(VENV)/.installed-dev ## read, edit and extend our datasets with the real LeRobot 0.6.1 (makes its environment)
	$(BIN)/python tests/judges/run.py --lerobot 0.6.1

judge-all: judge ## the same with 0.4.4, and the third-party validators
	$(BIN)/python tests/judges/run.py --lerobot 0.4.4
	$(BIN)/python tests/judges/validators.py

kill-sweep: $(VENV)/.installed-dev ## 200 kills of a writing process, judged by LeRobot
	$(BIN)/python tests/judges/kill_sweep.py --kills 200

bench: $(VENV)/.installed-dev ## speed and memory
	$(BIN)/python -m bench.writer
	$(BIN)/python -m bench.collect

pictures: demo ## the picture of the README, from the demo's first two episodes; 24 episodes of the randomization
	$(BIN)/isaac-collect sheet $(DEMO) docs/cameras.png --episodes 0 1 --width 150
	$(BIN)/python -m bench.first_pictures --episodes 24 --randomize full --picture docs/randomization.png

screenshots: $(VENV)/.installed-browser ## the web page's picture of the README; of its other states with SHOTS=FOLDER
	$(BIN)/python tests/browser_screenshots.py docs/dashboard.png $(SHOTS)

clean: ## remove environments and caches; datasets stay
	rm -rf .venv* .cache .mypy_cache .ruff_cache .pytest_cache *.egg-info build

$(VENV)/.installed: pyproject.toml tools/setup.sh
	tools/setup.sh $(PYTHON) $(VENV)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml tools/setup.sh
	tools/setup.sh $(PYTHON) $(VENV) dev
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-browser: $(VENV)/.installed-dev
	tools/setup.sh $(PYTHON) $(VENV) dev browser
	@touch $@
