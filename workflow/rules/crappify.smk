rule crappify_acquisition:
    """Degrade an HR store into an LR store, as a fast scan would have recorded it."""
    input:
        hr=HR_DONE,
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
        crappify=config["crappify"],
        chunk=config["ingest"]["chunk"],
        shard=config["ingest"]["shard"],
        percentiles=config["ingest"]["percentiles"],
        seed=config["seed"],
        code=code("crappify"),
    script:
        "../scripts/crappify.py"
