rule choose_smoothing:
    """Choose how wide the Gaussian of the baseline is, on rows that are learnt from."""
    input:
        hr=RUN.trained_on("hr"),
        lr=RUN.trained_on("lr"),
        mask=RUN.trained_on("mask"),
        registration=RUN.trained_on("registration"),
    output:
        PATHS.smoothing,
    log:
        PATHS.log("smoothing"),
    benchmark:
        PATHS.benchmark("smoothing")
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=RUN.demand.memory("smoothing"),
        runtime=RUN.demand.minutes("smoothing"),
    params:
        rows=RUN.training_rows,
        scale=config["crappify"]["scale"],
        code=RUN.code.of("smoothing"),
    script:
        "../scripts/smoothing.py"


rule evaluate_prediction:
    """Compare a prediction and its baselines with the truth, or collect what several jobs found."""
    input:
        hr=PATHS.done("hr"),
        lr=PATHS.done("lr"),
        sr=PATHS.map_done("sr"),
        mask=RUN.own("mask"),
        registration=RUN.own("registration"),
        hr2=RUN.own("hr2"),
        twice=RUN.own("twice"),
        fit=RUN.fit,
        smoothing=PATHS.smoothing,
        copies=[ancient(path) for path in RUN.copies],
        parts=RUN.parts.evaluation_markers,
    output:
        metrics=report(
            PATHS.metrics(),
            caption="../report/metrics.rst",
            category="Metrics",
            labels={"sample": "{sample}", "model": "{model}"},
        ),
        done=PATHS.map_done("metrics"),
    log:
        PATHS.log("evaluate/{sample}.{model}"),
    benchmark:
        PATHS.benchmark("evaluate/{sample}.{model}")
    wildcard_constraints:
        sample=one_of(TESTED),
    conda:
        "../../envs/pssrflow.yaml"
    threads: RUN.demand.threads("evaluate")
    resources:
        mem_mb=RUN.demand.memory("evaluate"),
        runtime=RUN.demand.minutes("evaluate"),
    params:
        hr=PATHS.store("hr"),
        lr=PATHS.store("lr"),
        sr=PATHS.map_store("sr"),
        hr2=RUN.second,
        mask=RUN.mask_of,
        crappified=RUN.crappified,
        scale=config["crappify"]["scale"],
        tasks=RUN.code.tasks,
        pssr2=config["evaluate"]["pssr2"],
        shares=PATHS.metrics_shares(),
        code=RUN.code.looking("evaluate"),
    script:
        "../scripts/evaluate.py"


use rule evaluate_prediction as evaluate_part with:
    input:
        hr=PATHS.done("hr"),
        lr=PATHS.done("lr"),
        sr=PATHS.map_done("sr"),
        mask=RUN.own("mask"),
        registration=RUN.own("registration"),
        hr2=RUN.own("hr2"),
        twice=RUN.own("twice"),
        fit=RUN.fit,
        smoothing=PATHS.smoothing,
    output:
        marker=PATHS.metrics_part(),
    log:
        PATHS.log("evaluate/{sample}.{model}.{part}"),
    benchmark:
        PATHS.benchmark("evaluate/{sample}.{model}.{part}")
    params:
        parts=RUN.parts.begun_evaluation,
