rule export_model:
    """Write a trained network as a model package of bioimage.io, and test the package."""
    input:
        train=PATHS.trained(),
        lr=PATHS.done("lr", RUN.example),
        promised=[PATHS.promised()] if config["trust"]["maps"] else [],
    output:
        package=PATHS.package(),
    log:
        PATHS.log("export/{model}"),
    benchmark:
        PATHS.benchmark("export/{model}")
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=RUN.demand.memory("export"),
        runtime=RUN.demand.minutes("export"),
    params:
        weights=PATHS.weights(),
        lr=PATHS.store("lr", RUN.example),
        percentiles=config["ingest"]["percentiles"],
        about=RUN.about,
        python=RUN.networks.python,
        code=RUN.code.network("export"),
    script:
        "../scripts/export.py"


rule export_image:
    """Write a super-resolved volume as an OME-TIFF, for programs that do not open OME-Zarr."""
    input:
        sr=PATHS.map_done("sr"),
    output:
        image=PATHS.map_image("sr"),
    log:
        PATHS.log("export/{sample}.{model}"),
    benchmark:
        PATHS.benchmark("export/{sample}.{model}")
    wildcard_constraints:
        sample=one_of(PREDICTED),
    conda:
        "../../envs/pssrflow.yaml"
    threads: RUN.demand.threads("export_image")
    resources:
        mem_mb=RUN.demand.memory("export_image"),
        runtime=RUN.demand.minutes("export_image"),
    params:
        store=PATHS.map_store("sr"),
        code=RUN.code.of("export_image"),
    script:
        "../scripts/export_image.py"


rule adopt_package:
    """Verify a model package and take its network in, as if it had been trained here."""
    output:
        done=PATHS.trained(),
    log:
        PATHS.log("train/{model}"),
    benchmark:
        PATHS.benchmark("train/{model}")
    wildcard_constraints:
        model=one_of(RUN.networks.models_of("package")),
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=RUN.demand.memory("adopt"),
        runtime=RUN.demand.minutes("adopt"),
    params:
        folder=PATHS.model(),
        package=RUN.networks.package,
        # With a hash of the package, which is no Snakemake input: its time stamp means nothing.
        model=RUN.networks.model,
        scale=config["crappify"]["scale"],
        percentiles=config["ingest"]["percentiles"],
        code=RUN.code.network("adopt"),
    script:
        "../scripts/adopt.py"
