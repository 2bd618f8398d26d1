# Everything a person does with this project. 'make help' lists it.

# The first Python on this machine that works and is new enough; name another with PYTHON=...
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null \
	&& echo $$python && break; done)
STAGE ?= dev
# Read by the shell of a recipe as one word, whatever is in them.
export STAGE DATA FILE NAME OUT FROM TO PROPERTIES FORMAT
# An option with the value of a variable that was given to make. The shell has USER too, and that one is somebody else.
given = $(if $(filter command,$(origin $(1))),$(2)"$$$(1)")
QUERY_PARAMETERS := USER LIMIT STEPS EVENT_TYPE EXPERIMENT EVENT
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
NODE_INSTALLED := $(if $(shell command -v npm),build/node/.installed)
# In environments of their own: they pin versions of packages that the others do not take.
CHECKOV := 3.3.30
PARLIAMENT := 1.6.4
BANDIT := 1.9.4
SAM_CLI := 1.170.0
POWERTOOLS := 3.37.0
PANDAS := 3.1.1

.DEFAULT_GOAL := help
.PHONY: help run console test test-unit test-long coverage screenshots lint check format package deploy deploy-stack doctor verify rotate-key destroy security redrive put visitors query trace export replay forget chaos soak bench profile capacity experiment-size clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-15s %s\n", $$1, $$2}'

run: $(INSTALLED) ## Run everything on this machine (DATA=folder for your own data, PORT=4566, ENGINE_PORT=4567, CONSOLE_PORT=4568)
	@exec $(BIN)/python -m local $(if $(DATA),--data "$$DATA") $(if $(PORT),--port $(PORT)) \
		$(if $(ENGINE_PORT),--engine-port $(ENGINE_PORT)) $(if $(CONSOLE_PORT),--console-port $(CONSOLE_PORT))

console: $(INSTALLED) ## Serve the console on this machine for what is deployed (STAGE=dev, CONSOLE_PORT=4569)
	@exec $(BIN)/python -m local.console --stage "$$STAGE" $(if $(CONSOLE_PORT),--port $(CONSOLE_PORT)) $(ARGS)

test: $(INSTALLED) $(NODE_INSTALLED) ## Run all tests, two files at a time
	$(BIN)/python -m pytest -n 2 --dist loadfile

# The AWS SDK for JavaScript and axe-core, where there is Node.js: tests play a client, and examine the console.
build/node/.installed: tests/node/package.json tests/node/package-lock.json
	@mkdir -p build/node
	@cp tests/node/package.json tests/node/package-lock.json build/node
	@npm ci --silent --ignore-scripts --no-audit --no-fund --prefix build/node
	@touch $@

test-unit: $(INSTALLED) ## Run the unit and functional tests, in half a minute
	$(BIN)/python -m pytest -n 2 --dist loadfile --hypothesis-profile quick -m "not slow" tests/unit tests/functional

test-long: $(INSTALLED) $(NODE_INSTALLED) security build/sam/.installed-$(SAM_CLI) ## Run what takes longer than 'make test' may (a quarter of an hour)
	$(BIN)/python -m pytest tests/long

build/sam/.installed-$(SAM_CLI): | $(INSTALLED)
	@$(BIN)/python -m venv --clear build/sam
	@build/sam/bin/python -m pip install --quiet --disable-pip-version-check aws-sam-cli==$(SAM_CLI)
	@touch $@

coverage: $(INSTALLED) ## Print the lines and branches of chalicelib that no unit or functional test runs
	@mkdir -p build
	$(BIN)/python -m coverage run -m pytest tests/unit tests/functional
	$(BIN)/python -m coverage report

lint: $(INSTALLED) ## Format, lint, types, links of the documents, and cfn-lint on the merged template
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m tests.support.links
	$(BIN)/python -m ops package --stage prod
	$(BIN)/cfn-lint build/prod/sam.yaml resources/pipeline.yaml resources/access.yaml

check: lint test ## Everything that CI runs

screenshots: $(INSTALLED) ## Make the pictures of docs/images from the console (needs chromium)
	$(BIN)/python -m tests.browser.screenshots

format: $(INSTALLED) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

package: $(INSTALLED) ## Write build/STAGE/sam.yaml and deployment.zip (STAGE=dev)
	$(BIN)/python -m ops package --stage "$$STAGE"

deploy: $(INSTALLED) ## Deploy step by step, with 'chalice deploy' in the middle (STAGE=dev)
	@$(BIN)/python -m ops deploy --stage "$$STAGE" $(ARGS)

deploy-stack: $(INSTALLED) ## Deploy everything as one CloudFormation stack (STAGE=dev)
	$(BIN)/python -m ops deploy-stack --stage "$$STAGE" $(ARGS)

doctor: $(INSTALLED) ## Examine what is deployed and say what to do (STAGE=dev, or local)
	@$(BIN)/python -m ops doctor --stage "$$STAGE" $(ARGS)

verify: $(INSTALLED) ## Prove that what is deployed works: play the whole path with a test user (STAGE=dev or local, ARGS="--yes --intrusive")
	@$(BIN)/python -m ops verify --stage "$$STAGE" $(ARGS)

destroy: $(INSTALLED) ## Remove what is deployed; events are kept (STAGE=dev, ARGS=--delete-events)
	@$(BIN)/python -m ops destroy --stage "$$STAGE" $(ARGS)

rotate-key: $(INSTALLED) ## Make a second API key, or disable the old one (STAGE=dev, ARGS="--retire ID")
	@$(BIN)/python -m ops rotate-key --stage "$$STAGE" $(ARGS)

security: $(INSTALLED) build/parliament/.installed-$(PARLIAMENT) build/bandit/.installed-$(BANDIT) ## Hold the template against checkov, the policies against parliament, the code against bandit
	$(BIN)/python -m ops package --stage prod
	@test -x build/checkov/bin/checkov || $(BIN)/python -m venv build/checkov
	@build/checkov/bin/python -m pip install --quiet --disable-pip-version-check checkov==$(CHECKOV)
	build/checkov/bin/checkov --config-file resources/checkov.yaml --file build/prod/sam.yaml
	$(BIN)/python -m tests.support.policy_lint
	build/bandit/bin/bandit --quiet --configfile pyproject.toml --recursive app.py chalicelib ops local simulation bench

# parliament 1.6.4 imports pkg_resources, which newer versions of setuptools do not have.
build/parliament/.installed-$(PARLIAMENT): | $(INSTALLED)
	@$(BIN)/python -m venv --clear build/parliament
	@build/parliament/bin/python -m pip install --quiet --disable-pip-version-check parliament==$(PARLIAMENT) setuptools==80.9.0
	@touch $@

build/bandit/.installed-$(BANDIT): | $(INSTALLED)
	@$(BIN)/python -m venv --clear build/bandit
	@build/bandit/bin/python -m pip install --quiet --disable-pip-version-check 'bandit[toml]==$(BANDIT)'
	@touch $@

redrive: $(INSTALLED) ## Put quarantined records back into the stream (STAGE=dev or local, ARGS="--given-up --dry-run")
	@$(BIN)/python -m ops redrive --stage "$$STAGE" $(ARGS)

put: $(INSTALLED) ## Put items, users or actions into Personalize (FILE=items.csv, STAGE=dev or local, ARGS="--dry-run --strict")
	@$(BIN)/python -m ops put --stage "$$STAGE" $(ARGS) -- "$$FILE"

visitors: $(INSTALLED) ## Let visitors use what 'make run' started: lists, clicks, events (ARGS="--visitors 200")
	@$(BIN)/python -m local.catalogue.visitors $(ARGS)

query: $(INSTALLED) ## Ask the archive (NAME=top-items STAGE=prod FROM=2026-01-01 TO=2026-01-31 FORMAT=table, csv or json); lists the queries
	@$(BIN)/python -m ops query --stage "$$STAGE" $(call given,FROM,--from=) $(call given,TO,--to=) \
		$(call given,FORMAT,--format=) $(foreach name,$(QUERY_PARAMETERS),$(call given,$(name),--set $(name)=)) \
		$(ARGS) -- $(call given,NAME)

trace: $(INSTALLED) ## Say what became of one event (EVENT=its EventId, STAGE=prod or local FROM=2026-01-01 TO=2026-01-31)
	@$(BIN)/python -m ops trace --stage "$$STAGE" $(call given,FROM,--from=) $(call given,TO,--to=) $(ARGS) -- $(call given,EVENT)

export: $(INSTALLED) ## Write Personalize's import file from the archive (OUT=folder STAGE=prod FROM= TO= PROPERTIES=CONTEXT,seconds:int)
	@$(BIN)/python -m ops export --stage "$$STAGE" $(call given,OUT,--out=) $(call given,FROM,--from=) $(call given,TO,--to=) \
		$(call given,PROPERTIES,--properties=) $(ARGS)

replay: $(INSTALLED) ## Send archived events to an event tracker (TRACKER=its tracking id, STAGE=prod or local FROM=2026-01-01 TO=2026-01-31 RATE=500, ARGS=--dry-run)
	@$(BIN)/python -m ops replay --stage "$$STAGE" $(call given,FROM,--from=) $(call given,TO,--to=) $(call given,RATE,--rate=) \
		$(ARGS) -- $(call given,TRACKER)

forget: $(INSTALLED) ## Remove a person from archive, quarantine and Personalize (USER=its user id, STAGE=prod or local, ARGS="--dataset-group GROUP_ARN ROLE_ARN")
	@$(BIN)/python -m ops forget --stage "$$STAGE" $(ARGS) -- $(call given,USER)

chaos: $(INSTALLED) ## Deliver 100,000 events through every fault at once and count (ARGS="--events 5000")
	@$(BIN)/python -m simulation.chaos $(ARGS)

soak: $(INSTALLED) ## Send 30 requests a second to 'make run' for ten minutes, through faults and kills, and count (ARGS="--minutes 2")
	@$(BIN)/python -m simulation.soak $(ARGS)

bench: $(INSTALLED) build/powertools/.installed-$(POWERTOOLS) build/pandas/.installed-$(PANDAS) ## Measure speed and cost against named alternatives (PART="request delivery" for some)
	@$(BIN)/python -m bench $(PART)

# A contender of the bench with the tracer's SDK, as it would be packaged: no bytecode, and boto3 is the runtime's.
build/powertools/.installed-$(POWERTOOLS): | $(INSTALLED)
	@rm -rf build/powertools
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --target build/powertools \
		aws-lambda-powertools==$(POWERTOOLS) aws-xray-sdk==2.15.0 typing_extensions==4.16.0 wrapt==2.5.2
	@touch $@

# The plain alternative to the export.
build/pandas/.installed-$(PANDAS): | $(INSTALLED)
	@$(BIN)/python -m venv --clear build/pandas
	@build/pandas/bin/python -m pip install --quiet --disable-pip-version-check pandas==$(PANDAS)
	@touch $@

profile: $(INSTALLED) ## Where a request and a delivery spend their time
	@$(BIN)/python -m bench.profile

capacity: $(INSTALLED) ## Shards, calls and price on paper (EVENTS_PER_SECOND=5000, ARGS=--help for the rest)
	@$(BIN)/python -m ops capacity \
		$(if $(EVENTS_PER_SECOND),--events-per-second "$(EVENTS_PER_SECOND)") \
		$(if $(RECOMMENDATIONS_PER_SECOND),--recommendations-per-second "$(RECOMMENDATIONS_PER_SECOND)") \
		$(if $(SECONDS_BETWEEN_EVENTS),--seconds-between-events "$(SECONDS_BETWEEN_EVENTS)") \
		$(if $(EVENTS_PER_REQUEST),--events-per-request "$(EVENTS_PER_REQUEST)") \
		$(if $(RECORD_BYTES),--record-bytes "$(RECORD_BYTES)") $(if $(SHARDS),--shards "$(SHARDS)") $(ARGS)

experiment-size: $(INSTALLED) ## Users and days that an experiment needs (BASELINE=0.04 EFFECT=0.1 USERS_PER_DAY=20000 SHARE=0.1, ARGS=--help for the rest)
	@$(BIN)/python -m ops experiment-size \
		$(if $(BASELINE),--baseline "$(BASELINE)") $(if $(EFFECT),--effect "$(EFFECT)") \
		$(if $(USERS_PER_DAY),--users-per-day "$(USERS_PER_DAY)") $(if $(SHARE),--share "$(SHARE)") \
		$(if $(SIGNIFICANCE),--significance "$(SIGNIFICANCE)") $(if $(POWER),--power "$(POWER)") \
		$(if $(COMPARISONS),--comparisons "$(COMPARISONS)") $(ARGS)

clean: ## Remove what was built, installed and remembered
	@$(PYTHON) -B -m local.state clean
	rm -rf $(VENV) .local build

# Written last, so an interrupted installation is done again; untouched until a requirement changes.
$(INSTALLED): requirements.txt requirements-dev.txt constraints.txt | $(VENV)/.bytecode
	@echo "Installing into $(VENV) with $$($(BIN)/python --version) (about two minutes, only this once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $(INSTALLED)

# Bytecode is kept outside the project: 'chalice local' restarts at every new file below it.
$(VENV)/.bytecode: local/state.py | $(BIN)/python
	@$(BIN)/python -B -m local.state divert-bytecode
	@touch $@

$(BIN)/python:
ifeq ($(PYTHON),)
	@echo "Python 3.11, 3.12, 3.13 or 3.14 is needed and none was found on the PATH." >&2
	@echo "Install one, or name it: make $(firstword $(MAKECMDGOALS)) PYTHON=/path/to/python3.11" >&2
	@exit 1
endif
	@$(PYTHON) -m venv $(VENV)
