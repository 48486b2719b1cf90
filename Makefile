# What an organiser runs; `make help` lists it. Every target sets up what it needs in .venv/.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help score test types quick lock demo data train predict leaderboard bundle publish bench gpu report clean

VENV := .venv/bin/python
# Which cycles and phases there are: COMPETITION=examples/motifs/competition.yaml, say.
OF_COMPETITION = $(if $(COMPETITION),--competition '$(COMPETITION)')
# One thread: spconv's CPU kernels are repeatable only so, and BLAS gains nothing on small events.
export OMP_NUM_THREADS ?= 1
# Containers often set this; then every command compiles all that it imports, PyTorch for a second.
unexport PYTHONDONTWRITEBYTECODE

## The interpreter: PYTHON=... or the first of these. Simulation and network have wheels for 3.11-3.13.
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.13; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& { echo $$p; break; }; done)
# Scoring alone also runs on older ones, as the platforms' images do.
SCORE_PYTHON = $(or $(PYTHON),$(shell python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' \
	2>/dev/null && echo python3))

# A switch such as DEMO=1; 0 and no switch it off.
yes = $(filter-out 0 no,$(1))

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

score: .venv/scoring  ## scores the baseline in all phases as a platform's worker would (30 s); SUBMISSIONS=, DATA=, COMPETITION=
	@$(VENV) -m organizer.score $(OF_COMPETITION) $(if $(SUBMISSIONS),--submissions '$(SUBMISSIONS)') \
		$(if $(DATA),--data '$(DATA)')

test: .venv/everything  ## ruff, types and all tests, no GPU needed (4 min)
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m pyright
	$(VENV) -m pytest -n auto --dist loadscope --no-loadscope-reorder

types: .venv/everything  ## the type checker (1 min)
	$(VENV) -m pyright

quick: .venv/everything  ## the tests that a change needs most, on one core (1 min)
	$(VENV) -m ruff check .
	$(VENV) -m pytest -m 'not slow and not geant4 and not torch'

demo: .venv/everything  ## makes the tracked demonstration data again, the same bytes (2 min)
	$(VENV) -m organizer.data --demonstration

data: .venv/everything  ## full data with fresh secret seeds into build/data (45 min of one core); EVENTS=, CYCLE=, JOBS=, DATA=, COMPETITION=, DASK=tcp://host:8786
	$(VENV) -m organizer.data $(OF_COMPETITION) --out '$(or $(DATA),build/data)' $(if $(EVENTS),--events $(EVENTS)) \
		$(if $(CYCLE),--cycle $(CYCLE)) $(if $(JOBS),--jobs $(JOBS)) \
		$(if $(DASK),--dask $(DASK))

CYCLE_OR_1 = $(or $(CYCLE),1)
DATA_FOLDER = $(or $(DATA),starting_kit/data)
RUN = build/run/cycle$(CYCLE_OR_1)
train: .venv/everything  ## trains the baseline, or goes on with it (2 min on the sample); CYCLE=1, PRESET=cpu, DATA=starting_kit/data
	@$(if $(wildcard $(RUN)/last.pt),echo 'goes on with $(RUN)/last.pt; remove $(RUN) to begin anew')
	$(VENV) -m baseline.train --events '$(DATA_FOLDER)/cycle$(CYCLE_OR_1)_train.h5' \
		$(if $(wildcard $(RUN)/last.pt),--resume $(RUN)/last.pt,--preset $(or $(PRESET),cpu) --out $(RUN))

BEST = $(or $(CHECKPOINT),$(RUN)/best.pt)
predict: .venv/everything  ## writes the trained baseline's submission (1 min); CYCLE=1, CHECKPOINT=, DATA=
	@[ -e '$(BEST)' ] || { echo 'make: $(BEST): no such file; make train first, or give CHECKPOINT=' >&2; exit 1; }
	$(VENV) -m baseline.predict --checkpoint '$(BEST)' \
		--events '$(DATA_FOLDER)/cycle$(CYCLE_OR_1)_test.h5' --out $(RUN)/submission.zip

leaderboard: .venv/leaderboard  ## ranks SUBMISSIONS=FOLDER/PARTICIPANT/cycleN/*.zip in all phases into build/leaderboard (10 s); DATA=, COMPETITION=
	@$(VENV) -m organizer.leaderboard '$(or $(SUBMISSIONS),baseline_submission)' --out build/leaderboard $(OF_COMPETITION) \
		$(if $(DATA),--data '$(DATA)')

bundle: .venv/scoring  ## dist/codabench.zip, dist/codalab-v1.5.zip (10 s); START=2027-01-04, DATA=, COMPETITION=, HIDDEN=placeholder, WEIGHTS=1, DEMO=1
	@$(VENV) -m organizer.bundle $(OF_COMPETITION) $(if $(START),--start $(START)) $(if $(DATA),--data '$(DATA)') \
		$(if $(HIDDEN),--hidden $(HIDDEN)) $(if $(call yes,$(WEIGHTS)),--weights) $(if $(call yes,$(DEMO)),--demo)

verify: .venv/scoring  ## are data, references, baseline and dist/ as they were written, and does dist/ fit? (5 s); DATA=, COMPETITION=
	@$(VENV) -m organizer.verify $(OF_COMPETITION) $(if $(DATA),--data '$(DATA)')

publish: .venv/scoring  ## the data as a publication in build/publish: files, data card, Croissant, sums (20 s); DATA=, COMPETITION=, REFERENCES=1
	@$(VENV) -m organizer.publish --out build/publish $(OF_COMPETITION) $(if $(DATA),--data '$(DATA)') \
		$(if $(call yes,$(REFERENCES)),--references)

bench: .venv/everything  ## peers, recipes and timings against the named alternatives, as ratios (10 min)
	set -e; for benchmark in $(filter-out benchmarks/gpu.py,$(wildcard benchmarks/*.py)); do $(VENV) $$benchmark; done

gpu: .venv/everything  ## the baseline on a CUDA card into build/gpu: speed, memory, precision (30 min); EVENTS=, TEST=
	$(VENV) benchmarks/gpu.py $(if $(EVENTS),--events '$(EVENTS)' --test '$(TEST)')

# The failures are studied on events that were in no training: of another seed than all others here.
FAILURES = build/report/failures_cycle
report: .venv/everything  ## physics, data table, failures, what is left to win, transfer, benchmarks' results into build/report (15 min)
	$(VENV) -m organizer.physics --out build/report
	$(VENV) -m organizer.data.table starting_kit/data/*_train.h5 | tee build/report/data_table.md
	set -e; runs=; for n in $$($(VENV) -m organizer.competition); do \
		$(VENV) -m organizer.simulate --cycle $$n --events 300 --seed 2026 --out $(FAILURES)$$n.h5; \
		$(VENV) -m baseline.predict --checkpoint baseline_submission/cycle$$n/model.pt \
			--events $(FAILURES)$$n.h5 --out $(FAILURES)$$n.zip; \
		$(VENV) -m organizer.failures --events $(FAILURES)$$n.h5 --submission $(FAILURES)$$n.zip \
			--out $(FAILURES)$$n.html; \
		runs="$$runs --run $(FAILURES)$$n.h5 $(FAILURES)$$n.zip"; done; \
	$(VENV) benchmarks/left_to_win.py $$runs --out build/report
	cp -R benchmarks/results build/report/
	$(VENV) benchmarks/transfer.py | tee build/report/transfer.md

clean:  ## removes .venv, build and dist (asks first where build/data holds events and seeds)
	@answer=y; \
	if [ -d build/data ]; then \
		answer=; read -rp 'build/data holds simulated events and their secret seeds. Remove them too? [y/N] ' answer || echo; fi; \
	rm -rf .venv dist; \
	if [ "$$answer" = y ]; then rm -rf build; else echo 'kept build/'; fi

# What is installed serves one folder and one Python: after a move or an update it is made again.
$(shell [ -x $(VENV) ] && [ "$$(cat .venv/scoring 2>/dev/null)" = '$(CURDIR)' ] || rm -f .venv/scoring .venv/leaderboard .venv/everything)

# One installation at a time, be it of two makes; one that was cut short, or whose Python is gone,
# begins anew. $(1): the interpreter; 3.$(2) to 3.$(3): what is needed; $(4): the extras; $(5): the
# lock. PyTorch is in no lock: its files differ by index (CPU, CUDA), so that no hash fits all.
define install
	@exec 9<Makefile; flock -n 9 || { echo 'make: waits for another make that installs' >&2; flock 9; }; \
	fits() { "$$@" -c 'import sys; sys.exit(not (3, $(2)) <= sys.version_info[:2] <= (3, $(3)))' 2>/dev/null; }; \
	if [ -e .venv/unfinished ] || ! fits $(VENV) || ! $(VENV) -m pip --version >/dev/null 2>&1; then \
		fits $(1) || { echo 'make: needs Python 3.$(2)$(if $(filter 99,$(3)), or newer, to 3.$(3)), found' \
			'$(or $(shell { $(1) --version; } 2>/dev/null),none); set PYTHON=/path/to/python3' >&2; exit 1; }; \
		rm -rf .venv; mkdir .venv; touch .venv/unfinished; $(1) -m venv .venv; \
	fi; \
	touch .venv/unfinished; \
	export PYTHONWARNINGS=ignore PIP_DISABLE_PIP_VERSION_CHECK=1; \
	$(VENV) -m pip install -q --no-compile --require-hashes -r $(5); \
	$(VENV) -m pip install -q --no-compile --no-build-isolation -e '.[$(subst $(space),$(comma),$(4))]'; \
	rm .venv/unfinished; echo '$(CURDIR)' > $@
endef
SCORING := build bundle
LEADERBOARD := $(SCORING) leaderboard
EVERYTHING := $(LEADERBOARD) simulation convert baseline network spconv notebook test

.venv/scoring: pyproject.toml locks/scoring.txt
	$(call install,$(SCORE_PYTHON),9,99,$(SCORING),locks/scoring.txt)

.venv/leaderboard: pyproject.toml locks/leaderboard.txt
	$(call install,$(SCORE_PYTHON),10,99,$(LEADERBOARD),locks/leaderboard.txt)
	@cp $@ .venv/scoring

.venv/everything: pyproject.toml locks/everything.txt
	$(call install,$(PYTHON),11,13,$(EVERYTHING),locks/everything.txt)
	@cp $@ .venv/scoring; cp $@ .venv/leaderboard

comma := ,
space := $(subst ,, )

# For every Python and system at once; what is there stays unless pyproject.toml says otherwise.
# $(1): the extras; $(2): the oldest Python; $(3): the lock.
define compile
	build/lock/bin/uv pip compile pyproject.toml $(addprefix --extra ,$(1)) --python-version $(2) -o $(3) \
		--quiet --universal --generate-hashes --no-annotate --custom-compile-command 'make lock' \
		--override build/lock/no-torch.txt $(if $(call yes,$(UPGRADE)),--upgrade)

endef
lock:  ## renews locks/, the hashes of all that make installs; UPGRADE=1 takes the newest of everything
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install -q uv
	echo "torch; python_version < '3'" > build/lock/no-torch.txt
	$(call compile,$(EVERYTHING),3.11,locks/everything.txt)
	$(call compile,$(LEADERBOARD),3.10,locks/leaderboard.txt)
	$(call compile,$(SCORING),3.9,locks/scoring.txt)
