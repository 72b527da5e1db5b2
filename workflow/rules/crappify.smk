rule crappify_acquisition:
    """Degrade an HR store into an LR store, as a fast scan would have recorded it."""
    input:
        hr=HR_DONE,
        fit=fit_input(),
    output:
        done=LR_DONE,
    log:
        f"{LOGS}/crappify/{{sample}}.log",
    benchmark:
        f"{BENCHMARKS}/crappify/{{sample}}.tsv"
    wildcard_constraints:
        sample=one_of(CRAPPIFIED),
    conda:
        "../../envs/pssrflow.yaml"
    threads: 2
    resources:
        mem_mb=4000,
    params:
        hr=HR_STORE,
        lr=LR_STORE,
        crappify=crappifier_params(),
        accept={"require_fit": config["calibrate"]["require_fit"]},
        realisation=0,
        cluster=config["crappify"]["cluster"],
        chunk=config["ingest"]["chunk"],
        shard=config["ingest"]["shard"],
        percentiles=config["ingest"]["percentiles"],
        seed=config["seed"],
        code=code("crappify"),
    script:
        "../scripts/crappify.py"


use rule crappify_acquisition as crappify_draw with:
    output:
        done=LR_DRAW_DONE,
    log:
        f"{LOGS}/crappify/{{sample}}.{{draw}}.log",
    benchmark:
        f"{BENCHMARKS}/crappify/{{sample}}.{{draw}}.tsv"
    wildcard_constraints:
        sample=one_of(CRAPPIFIED),
        draw=one_of(map(str, DRAWS)),
    params:
        hr=HR_STORE,
        lr=LR_DRAW,
        crappify=crappifier_params(),
        accept={"require_fit": config["calibrate"]["require_fit"]},
        realisation=lambda wildcards: int(wildcards.draw),
        cluster=config["crappify"]["cluster"],
        chunk=config["ingest"]["chunk"],
        shard=config["ingest"]["shard"],
        percentiles=config["ingest"]["percentiles"],
        seed=config["seed"],
        code=code("crappify"),
