rule ingest_acquisition:
    """Stream a raw acquisition into OME-Zarr: an HR or LR image, a map of weights, a mask."""
    input:
        raw=RUN.raw.done,
    output:
        done=PATHS.image_done("{image}"),
    log:
        PATHS.log("ingest/{image}"),
    benchmark:
        PATHS.benchmark("ingest/{image}")
    conda:
        "../../envs/pssrflow.yaml"
    threads: 2
    resources:
        mem_mb=4000,
    params:
        path=RUN.raw.path,
        store=PATHS.image_store("{image}"),
        overrides=RUN.raw.overrides,
        beside=RUN.raw.beside,
        ingest=RUN.raw.params,
        fingerprint=RUN.raw.fingerprint,
        code=RUN.raw.code,
    script:
        "../scripts/ingest.py"
