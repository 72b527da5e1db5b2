rule ingest_acquisition:
    """Stream a raw acquisition into OME-Zarr, or finish the store that several jobs have filled.

    An HR or LR image, a map of weights, a mask.
    """
    input:
        raw=RUN.raw.done,
        parts=RUN.parts.image_markers,
    output:
        done=PATHS.image_done("{image}"),
    log:
        PATHS.log("ingest/{image}"),
    benchmark:
        PATHS.benchmark("ingest/{image}")
    conda:
        "../../envs/pssrflow.yaml"
    threads: RUN.demand.threads("ingest")
    resources:
        mem_mb=RUN.demand.memory("ingest"),
        runtime=RUN.demand.minutes("ingest"),
    params:
        path=RUN.raw.path,
        store=PATHS.image_store("{image}"),
        done=PATHS.image_done("{image}"),
        overrides=RUN.raw.overrides,
        beside=RUN.raw.beside,
        ingest=RUN.raw.params,
        fingerprint=RUN.raw.fingerprint,
        shares=lambda wildcards: PATHS.image_shares(wildcards.image),
        code=RUN.raw.code,
    script:
        "../scripts/ingest.py"


use rule ingest_acquisition as ingest_init with:
    input:
        raw=RUN.raw.done,
    output:
        begun=PATHS.image_begun("{image}"),
    log:
        PATHS.log("ingest/{image}.init"),
    benchmark:
        PATHS.benchmark("ingest/{image}.init")
    threads: 1
    resources:
        mem_mb=RUN.demand.memory("init"),
        runtime=RUN.demand.minutes("init"),
    params:
        parts=RUN.parts.begun_image,


use rule ingest_acquisition as ingest_part with:
    input:
        raw=RUN.raw.done,
        begun=PATHS.image_begun("{image}"),
    output:
        marker=PATHS.image_part("{image}"),
    log:
        PATHS.log("ingest/{image}.{part}"),
    benchmark:
        PATHS.benchmark("ingest/{image}.{part}")
