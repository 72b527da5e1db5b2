rule crappify_acquisition:
    """Degrade an HR store into an LR store, as a fast scan would have recorded it.

    Or finish the LR store that several jobs have filled.
    """
    input:
        hr=lambda wildcards: PATHS.done("hr", RUN.drawn_from(wildcards)),
        fit=RUN.fit,
        parts=RUN.parts.image_markers,
    output:
        done=PATHS.image_done("{draw}"),
    log:
        PATHS.log("crappify/{draw}"),
    benchmark:
        PATHS.benchmark("crappify/{draw}")
    conda:
        "../../envs/pssrflow.yaml"
    threads: RUN.demand.threads("crappify")
    resources:
        mem_mb=RUN.demand.memory("crappify"),
        runtime=RUN.demand.minutes("crappify"),
    params:
        sample=RUN.drawn_from,
        hr=lambda wildcards: PATHS.store("hr", RUN.drawn_from(wildcards)),
        lr=PATHS.image_store("{draw}"),
        done=PATHS.image_done("{draw}"),
        crappify=RUN.crappifier,
        accept={"require_fit": config["calibrate"]["require_fit"]},
        realisation=RUN.realisation,
        ingest=RUN.raw.stored,
        seed=config["seed"],
        shares=lambda wildcards: PATHS.image_shares(wildcards.draw),
        code=RUN.code.crappifier("crappify"),
    script:
        "../scripts/crappify.py"


use rule crappify_acquisition as crappify_init with:
    input:
        hr=lambda wildcards: PATHS.done("hr", RUN.drawn_from(wildcards)),
        fit=RUN.fit,
    output:
        begun=PATHS.image_begun("{draw}"),
    log:
        PATHS.log("crappify/{draw}.init"),
    benchmark:
        PATHS.benchmark("crappify/{draw}.init")
    threads: 1
    resources:
        mem_mb=RUN.demand.memory("init"),
        runtime=RUN.demand.minutes("init"),
    params:
        parts=RUN.parts.begun_image,


use rule crappify_acquisition as crappify_part with:
    input:
        hr=lambda wildcards: PATHS.done("hr", RUN.drawn_from(wildcards)),
        fit=RUN.fit,
        begun=PATHS.image_begun("{draw}"),
    output:
        marker=PATHS.image_part("{draw}"),
    log:
        PATHS.log("crappify/{draw}.{part}"),
    benchmark:
        PATHS.benchmark("crappify/{draw}.{part}")
