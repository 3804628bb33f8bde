# Everything starts from `make demo` and `make test`; both build .venv first if it is not there.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
.PHONY: env ground demo ablation test faults bench check format clean

env:
	@envs/build.sh

demo: env  ## the whole pipeline on the data set that pipeline.yaml chooses, then its metrics and report
	@python demo/run.py
	@vcma summary

ground: env  ## one sentence in one video: make ground VIDEO=clip.mp4 QUERY="the man turns around"
	@[ -n "$$VIDEO" ] && [ -n "$$QUERY" ] || { echo 'say make ground VIDEO=clip.mp4 QUERY="the man turns around"' >&2; exit 2; }
	@vcma ground --query "$$QUERY" -- "$$VIDEO"

ablation: env  ## the paper's figure and the table of ablations on demo_full -> results/demo_full (1.5 hours on two cores)
	@[ -d data/demo_full ] || python demo/draw_world.py data/demo_full --size demo_full --seed 2
	@for s in index_dataset extract_frames parse_queries detect_proposals link_tubes embed_tubes; do \
	  python stages/$$s.py --dataset demo_full || exit 1; done
	@vcma ablate --dataset demo_full

test: env  ## all tests
	@python -m pytest -q

faults: env  ## all kills and mutations, of which `make test` has a part (half an hour)
	@VCMA_FAULTS=all python -m pytest -q -s tests/faults tests/pipeline/test_workers.py

bench: env  ## speed and growth beside what else one could use -> bench/results.md
	@[ -d .bench/packages ] || python -m pip install --quiet --no-deps --target .bench/packages -r envs/bench.txt || \
	  echo "some of what to compare with cannot be installed and is left out" >&2
	@python bench/table.py && python bench/whole.py

check: env  ## format, lint and types
	@ruff format --check .
	@ruff check .
	@mypy

format: env
	@ruff format .
	@ruff check --fix .

clean:  ## undo `make demo`: artifacts, drawn data, DVC's cache, and the environment
	rm -rf artifacts data/demo data/demo_full .venv .bench .dvc/cache .dvc/tmp
