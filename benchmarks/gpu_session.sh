#!/usr/bin/env bash
# Measure every GPU row of the speed table in ten minutes, the most important first; results go to benchmarks/results.
#
#   bash benchmarks/gpu_session.sh           all parts that fit into LIMIT seconds (580)
#   bash benchmarks/gpu_session.sh --tiny    each part in its smallest form, on any device: does it work?
#
# Needs torch with CUDA (2.11), Python 3.11 or newer and the packages of `pip install -e .[lite0]`; no network.
set -uo pipefail
cd "$(dirname "$0")/.."
LIMIT=${LIMIT:-580}
PYTHON=${PYTHON:-python}
RESULTS=${RESULTS:-}
export PYTHONPATH="$PWD/src:$PWD${PYTHONPATH:+:$PYTHONPATH}" WANDB_MODE=offline

options=(--repeats 1 --grid-parallel 0)
tiny=()
if [[ ${1:-} == --tiny ]]; then
    options=()
    GRID_EPOCHS=1
    tiny=(--quick --repeats 1 --grid-parallel 0 --architecture architecture=timm architecture.name=test_resnet)
fi
results=()
[[ -n $RESULTS ]] && results=(--results "$RESULTS")

failed=0
# part NAME SECONDS ARGUMENTS…: run a part of the benchmark unless it would end after LIMIT.
part() {
    local name=$1 seconds=$2
    shift 2
    if [[ ${#tiny[@]} -eq 0 ]] && ((SECONDS + seconds > LIMIT)); then
        echo "left out: $name (about $seconds s, $((LIMIT - SECONDS)) s left)"
        return
    fi
    local began=$SECONDS
    timeout $((LIMIT - SECONDS + 15)) "$PYTHON" -m benchmarks.speed "$@" "${options[@]}" "${tiny[@]}" "${results[@]}" || {
        echo "FAILED: $name"
        failed=1
    }
    echo "$name: $((SECONDS - began)) s (expected: $seconds)"
}

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null
"$PYTHON" -c 'import sys, torch; print("Python", sys.version.split()[0], "torch", torch.__version__, "CUDA", torch.cuda.is_available())'

# The recipe's epochs take the same time each: it trains one a row, and 3 and 30 are computed.
part "six-row grid, 3 and 30 epochs, with the recipe" 465 --only grid --peers fp32 --grid-epochs ${GRID_EPOCHS:-3 30} --peer-epochs 1
part "modern recipe" 60 --only modern
part "evaluation and prediction" 50 --only evaluation
part "six-row grid, 10 epochs" 140 --only grid --peers none --grid-epochs ${GRID_EPOCHS:-10}
exit $failed
