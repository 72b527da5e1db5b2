from pssrflow.run.layout import COLLECTED, MARKER, PYRAMID, Layout

LAYOUT = Layout.of(config["results"], config["stores"])
SR_PLAN = LAYOUT.plan()
SR_PART = f"{LAYOUT.parts()}/{MARKER}"
SR_PYRAMID = f"{LAYOUT.parts()}/{PYRAMID}"
# Snakemake plans 10,000 jobs in seconds and a million never; a job makes its blocks one by one
# and, killed, goes on at the last, so fewer and longer ones lose nothing.
PARTS = range(min(config["predict"]["parts"], 10_000))
# Verifying and halving is so much quicker than the network that few jobs need help with it.
PYRAMIDS = range(min(len(PARTS) // 8, 100))
# One file for all parts where many jobs ask for them: Snakemake would else plan a million inputs.
SR_COLLECTED = f"{LAYOUT.parts()}/{COLLECTED}"
# With the names of sample and model, where everything of a prediction lies.
WHERE = {"results": LAYOUT.results, "stores": LAYOUT.stores}
PREDICT = {k: v for k, v in config["predict"].items() if k not in ("parts", "precision", "roi")}


rule predict_init:
    """Create the empty SR store and decide which part makes which shards."""
    input:
        lr=prediction_input,
        train=TRAIN_DONE,
    output:
        plan=SR_PLAN,
    log:
        f"{LOGS}/predict/{{sample}}.{{model}}.init.log",
    benchmark:
        f"{BENCHMARKS}/predict/{{sample}}.{{model}}.init.tsv"
    conda:
        "../../envs/pssrflow.yaml"
    threads: 2
    resources:
        mem_mb=config["predict"]["memory"],
    params:
        layout=WHERE,
        masked=masked,
        roi=lambda wildcards: REGIONS.get(wildcards.sample),
        settings=PREDICT,
        parts=len(PARTS),
        chunk=config["ingest"]["chunk"],
        shard=config["ingest"]["shard"],
        code=code("predict_init"),
    script:
        "../scripts/predict_init.py"


rule predict_part:
    """Super-resolve the shards of one part."""
    input:
        plan=SR_PLAN,
    output:
        marker=SR_PART,
    log:
        f"{LOGS}/predict/{{sample}}.{{model}}.{{part}}.log",
    benchmark:
        f"{BENCHMARKS}/predict/{{sample}}.{{model}}.{{part}}.tsv"
    conda:
        "../../envs/pssrflow.yaml"
    threads: max(1, workflow.cores // len(PARTS))
    resources:
        mem_mb=config["predict"]["memory"],
    params:
        layout=WHERE,
        masked=masked,
        precision=config["predict"]["precision"],
        code=code("predict_part"),
    script:
        "../scripts/predict_part.py"


rule predict_collect:
    """Put the markers of all parts into one, where parts are many."""
    input:
        parts=expand(SR_PART, part=PARTS, allow_missing=True),
    output:
        marker=SR_COLLECTED,
    log:
        f"{LOGS}/predict/{{sample}}.{{model}}.collect.log",
    benchmark:
        f"{BENCHMARKS}/predict/{{sample}}.{{model}}.collect.tsv"
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        layout=WHERE,
        code=code("predict_collect"),
    script:
        "../scripts/predict_collect.py"


rule predict_pyramid:
    """Verify a share of the shards and build the pyramid above them, where parts are many."""
    input:
        plan=SR_PLAN,
        parts=[SR_COLLECTED],
    output:
        marker=SR_PYRAMID,
    log:
        f"{LOGS}/predict/{{sample}}.{{model}}.pyramid.{{part}}.log",
    benchmark:
        f"{BENCHMARKS}/predict/{{sample}}.{{model}}.pyramid.{{part}}.tsv"
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        layout=WHERE,
        parts=len(PYRAMIDS),
        code=code("predict_pyramid"),
    script:
        "../scripts/predict_pyramid.py"


rule predict_finalise:
    """Verify every shard, build the pyramid, and say that the SR store is finished."""
    input:
        plan=SR_PLAN,
        parts=[SR_COLLECTED] if PYRAMIDS else expand(SR_PART, part=PARTS, allow_missing=True),
        pyramid=expand(SR_PYRAMID, part=PYRAMIDS, allow_missing=True),
    output:
        done=SR_DONE,
    log:
        f"{LOGS}/predict/{{sample}}.{{model}}.finalise.log",
    benchmark:
        f"{BENCHMARKS}/predict/{{sample}}.{{model}}.finalise.tsv"
    conda:
        "../../envs/pssrflow.yaml"
    threads: 2
    resources:
        mem_mb=4000,
    params:
        layout=WHERE,
        code=code("predict_finalise"),
    script:
        "../scripts/predict_finalise.py"


rule plan:
    """Print what the predictions will need in memory, disk, files and time; runs nothing else."""
    log:
        f"{LOGS}/predict/plan.log",
    conda:
        "../../envs/pssrflow.yaml"
    threads: workflow.cores
    resources:
        mem_mb=config["predict"]["memory"],
    params:
        rows=forecast_rows(),
        models=config["models"],
        weights={model: WEIGHTS.format(model=model) for model in MODELS},
        scale=config["crappify"]["scale"],
        percentiles=config["ingest"]["percentiles"],
        sizes=[config["ingest"]["chunk"], config["ingest"]["shard"]],
        parts=len(PARTS),
        settings=PREDICT,
    script:
        "../scripts/plan.py"
