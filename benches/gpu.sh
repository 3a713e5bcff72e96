#!/usr/bin/env bash
# Everything that needs a GPU, in one run: tests, official cases, blocks, benchmarks, and a memory
# check. Needs no cargo there.
#
#   benches/gpu.sh pack DIR [SM]   here: builds what the run needs into DIR (SM: only kernels for
#                                  this compute capability, such as 90)
#   DIR/gpu.sh run [FIXTURES]      there: writes DIR/runs/<date>-<gpu>/; FIXTURES is the folder of
#                                  docs/TESTING.md, without which cases and blocks are left out
#
# The exit code is 0 when every part passed. Copy the folder that it names to benches/runs/.
set -euo pipefail

pack() {
    local out=$1 sm=${2:-}
    cd "$(dirname "$0")/.."
    mkdir -p "$out"
    cargo build --release --package warpevm-cli
    cp target/release/warpevm "$out/warpevm"
    # The engine's tests, which run on every device that they find.
    cargo test --release --package warpevm-tests --test engine --no-run --message-format=json |
        grep -o '"executable":"[^"]*/engine-[^"]*"' | cut -d'"' -f4 |
        while read -r test; do cp "$test" "$out/engine-tests"; done
    test -x "$out/engine-tests"
    # Debug information is most of their size.
    strip --strip-debug "$out/warpevm" "$out/engine-tests"
    cargo xtask cuda --prebuild "$out/kernels" ${sm:+--sm "$sm"}
    cp -r host/examples "$out/examples"
    cp benches/gpu.sh "$out/gpu.sh"
    git rev-parse HEAD >"$out/commit"
}

# Runs one part: its name, then the command. Output goes to a file of that name.
failed=0
part() {
    local name=$1 start code=0
    shift
    start=$(date +%s)
    timeout 3600 "$@" >"$runs/$name.txt" 2>&1 || code=$?
    printf '%s\t%s\t%s\t%s\n' "$name" "$code" "$(($(date +%s) - start))" "$*" >>"$runs/parts.tsv"
    tail -n 3 "$runs/$name.txt" | sed "s/^/$name: /"
    [ "$code" = 0 ] || failed=1
}

run() {
    cd "$(dirname "$0")"
    # cuda-fake tries the script itself, on a machine without a GPU; with a few calls.
    local fixtures=${1:-} backend=${WARPEVM_BACKEND:-cuda} gpu
    local batches="--batch 65536,262144,1048576" tiny=""
    [ -d kernels ] && export WARPEVM_KERNELS=$PWD/kernels
    if [ "$backend" = cuda-fake ]; then
        batches="" tiny=--tiny
    elif ! ./warpevm devices --json | grep -q '"backend":"cuda"'; then
        ./warpevm devices
        echo "no GPU: nothing was run" >&2
        exit 1
    fi
    gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>&1 | head -n 1 | tr ' /' '--') || true
    [ "$backend" = cuda ] || gpu=fake
    runs=$PWD/runs/$(date +%F)-${gpu:-gpu}
    mkdir -p "$runs"
    cp commit "$runs/commit"
    nvidia-smi >"$runs/nvidia-smi.txt" 2>&1 || true
    printf 'part\texit code\tseconds\tcommand\n' >"$runs/parts.tsv"
    part devices ./warpevm devices
    part engine-tests ./engine-tests
    part example-batch ./warpevm simulate examples/erc20-batch.json --backend "$backend" \
        --validate full --min-residency 0.99
    part example-block ./warpevm run examples/token-block --backend "$backend" --validate full
    if [ -n "$fixtures" ]; then
        # The first letters take a few cases of every folder.
        for suite in dev generated-dev legacy-dev; do
            part "statetest-$suite" ./warpevm statetest "$fixtures/conformance/$suite.tar.zst" \
                --backend "$backend" --filter "${WARPEVM_SAMPLE:-^[^/]*(/[^/]*)*/[a-d][^/]*$}"
        done
        part blocktest-blocks-dev ./warpevm blocktest "$fixtures/conformance/blocks-dev.tar.zst" \
            --backend "$backend" --filter "${WARPEVM_SAMPLE:-^[^/]*(/[^/]*)*/[a-d][^/]*$}"
        part mainnet ./warpevm run "$fixtures/mainnet/mainnet-dev.tar.zst" --block all \
            --backend "$backend" --validate full
    fi
    # Everyone beside revm, with a report. What lies among the fixtures is left out without them.
    [ -z "$fixtures" ] || export WARPEVM_FIXTURES=$fixtures
    part bench ./warpevm bench --backend "$backend,cpu" --threads 0 $tiny \
        --json "$runs/bench.json" --html "$runs/bench.html"
    part bench-batches ./warpevm bench transfers swaps cuevm --backend "$backend" --threads 0 \
        $batches $tiny --json "$runs/batches.json" --html "$runs/batches.html"
    # What grouping is worth.
    for grouping in none start rounds; do
        part "bench-grouping-$grouping" ./warpevm bench transfers fuzz --backend "$backend" \
            --threads 0 $batches $tiny --grouping "$grouping" \
            --json "$runs/grouping-$grouping.json"
    done
    part bench-ablate ./warpevm bench --ablate --backend "$backend" --threads 0 $tiny \
        --json "$runs/ablate.json" --html "$runs/ablate.html"
    if command -v compute-sanitizer >/dev/null; then
        for tool in memcheck racecheck initcheck; do
            part "sanitizer-$tool" compute-sanitizer --tool "$tool" --error-exitcode 9 \
                ./warpevm simulate examples/erc20-batch.json --backend "$backend"
        done
    else
        echo "compute-sanitizer is not installed: left out" | tee "$runs/sanitizer.txt"
    fi
    echo "results: $runs"
    exit "$failed"
}

case ${1:-} in
    pack) pack "${2:?a folder}" "${3:-}" ;;
    run) run "${2:-}" ;;
    *) sed -n '2,11p' "$0" && exit 2 ;;
esac
