rule predict_volume:
    """Super-resolve a volume, or verify what several jobs made of it and finish the store."""
    input:
        made_of=RUN.predictions.input_of_all,
        plan=RUN.predictions.shared_plan,
        parts=RUN.parts.predicted,
        pyramid=RUN.parts.pyramid_markers,
    output:
        done=PATHS.map_done("sr"),
    log:
        PATHS.log("predict/{sample}.{model}"),
    benchmark:
        PATHS.benchmark("predict/{sample}.{model}")
    conda:
        "../../envs/pssrflow.yaml"
    threads: RUN.demand.threads("predict")
    resources:
        mem_mb=RUN.demand.memory("predict"),
        runtime=RUN.demand.minutes("predict"),
    params:
        layout=PLACES,
        masked=RUN.predictions.masked,
        python=RUN.networks.python,
        roi=RUN.predictions.region,
        deciding=RUN.predictions.deciding,
        sizes=[config["ingest"]["chunk"], config["ingest"]["shard"]],
        precision=config["predict"]["precision"],
        code=RUN.code.network("predict"),
    script:
        "../scripts/predict.py"


rule predict_init:
    """Create the empty SR store and decide which part makes which shards."""
    input:
        lr=RUN.predictions.input,
        train=PATHS.trained(),
    output:
        plan=PATHS.plan(),
    log:
        PATHS.log("predict/{sample}.{model}.init"),
    benchmark:
        PATHS.benchmark("predict/{sample}.{model}.init")
    conda:
        "../../envs/pssrflow.yaml"
    threads: 2
    resources:
        mem_mb=RUN.demand.memory("predict_init"),
        runtime=RUN.demand.minutes("predict_init"),
    params:
        layout=PLACES,
        masked=RUN.predictions.masked,
        python=RUN.networks.python,
        roi=RUN.predictions.region,
        deciding=RUN.predictions.deciding,
        parts=RUN.parts.begun_prediction,
        sizes=[config["ingest"]["chunk"], config["ingest"]["shard"]],
        code=RUN.code.network("predict_init"),
    script:
        "../scripts/predict_init.py"


rule predict_part:
    """Super-resolve the shards of one part."""
    input:
        plan=PATHS.plan(),
    output:
        marker=PATHS.part(),
    log:
        PATHS.log("predict/{sample}.{model}.{part}"),
    benchmark:
        PATHS.benchmark("predict/{sample}.{model}.{part}")
    conda:
        "../../envs/pssrflow.yaml"
    threads: RUN.demand.threads("predict")
    resources:
        mem_mb=RUN.demand.memory("predict"),
        runtime=RUN.demand.minutes("predict"),
    params:
        layout=PLACES,
        masked=RUN.predictions.masked,
        python=RUN.networks.python,
        precision=config["predict"]["precision"],
        code=RUN.code.network("predict_part"),
    script:
        "../scripts/predict_part.py"


rule predict_collect:
    """Put the markers of all parts into one, where parts are many."""
    input:
        parts=RUN.parts.prediction_markers,
    output:
        marker=PATHS.collected(),
    log:
        PATHS.log("predict/{sample}.{model}.collect"),
    benchmark:
        PATHS.benchmark("predict/{sample}.{model}.collect")
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=RUN.demand.memory("predict_collect"),
        runtime=RUN.demand.minutes("predict_collect"),
    params:
        layout=PLACES,
        code=RUN.code.of("predict_collect"),
    script:
        "../scripts/predict_collect.py"


rule predict_pyramid:
    """Verify a share of the shards and build the pyramid above them, where parts are many."""
    input:
        plan=PATHS.plan(),
        parts=[PATHS.collected()],
    output:
        marker=PATHS.pyramid(),
    log:
        PATHS.log("predict/{sample}.{model}.pyramid-{part}"),
    benchmark:
        PATHS.benchmark("predict/{sample}.{model}.pyramid-{part}")
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=RUN.demand.memory("predict_pyramid"),
        runtime=RUN.demand.minutes("predict_pyramid"),
    params:
        layout=PLACES,
        parts=RUN.parts.pyramids,
        code=RUN.code.of("predict_pyramid"),
    script:
        "../scripts/predict_pyramid.py"


rule plan:
    """Print the jobs, and what the predictions need in memory, disk and time; runs nothing else."""
    log:
        PATHS.log("predict/plan"),
    conda:
        "../../envs/pssrflow.yaml"
    threads: RUN.demand.threads("plan")
    resources:
        mem_mb=config["predict"]["memory"],
    params:
        rows=RUN.predictions.forecast_rows,
        models=config["models"],
        weights={model: PATHS.weights(model) for model in MODELS},
        scale=config["crappify"]["scale"],
        percentiles=config["ingest"]["percentiles"],
        sizes=[config["ingest"]["chunk"], config["ingest"]["shard"]],
        parts=RUN.predictions.forecast_parts,
        settings=RUN.predictions.planned_by,
        jobs=lambda wildcards: submitted(RUN),
    script:
        "../scripts/plan.py"
