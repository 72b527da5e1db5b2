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
        mem_mb=2000,
    params:
        rows=RUN.training_rows,
        scale=config["crappify"]["scale"],
        code=RUN.code.of("smoothing"),
    script:
        "../scripts/smoothing.py"


rule evaluate_prediction:
    """Compare a prediction and its baselines with the truth."""
    input:
        hr=PATHS.done("hr"),
        lr=PATHS.done("lr"),
        sr=PATHS.map_done("sr"),
        mask=RUN.mask_done,
        registration=RUN.registered,
        smoothing=PATHS.smoothing,
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
    threads: 1
    resources:
        mem_mb=4000,
    params:
        hr=PATHS.store("hr"),
        lr=PATHS.store("lr"),
        sr=PATHS.map_store("sr"),
        mask=RUN.mask_of,
        scale=config["crappify"]["scale"],
        code=RUN.code.of("evaluate"),
    script:
        "../scripts/evaluate.py"
