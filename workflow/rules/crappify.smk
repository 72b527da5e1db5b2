rule crappify_acquisition:
    """Degrade an HR store into an LR store, as a fast scan would have recorded it."""
    input:
        hr=lambda wildcards: PATHS.done("hr", RUN.drawn_from(wildcards)),
        fit=RUN.fit,
    output:
        done=PATHS.image_done("{draw}"),
    log:
        PATHS.log("crappify/{draw}"),
    benchmark:
        PATHS.benchmark("crappify/{draw}")
    conda:
        "../../envs/pssrflow.yaml"
    threads: 2
    resources:
        mem_mb=4000,
    params:
        sample=RUN.drawn_from,
        hr=lambda wildcards: PATHS.store("hr", RUN.drawn_from(wildcards)),
        lr=PATHS.image_store("{draw}"),
        crappify=RUN.crappifier,
        accept={"require_fit": config["calibrate"]["require_fit"]},
        realisation=RUN.realisation,
        cluster=config["crappify"]["cluster"],
        ingest=config["ingest"],
        seed=config["seed"],
        code=RUN.code.crappifier("crappify"),
    script:
        "../scripts/crappify.py"
