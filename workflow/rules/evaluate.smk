rule evaluate_prediction:
    """Compare a prediction and its bicubic baseline with the truth."""
    input:
        hr=PATHS.done("hr"),
        lr=PATHS.done("lr"),
        sr=PATHS.map_done("sr"),
        registration=RUN.registered,
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
        scale=config["crappify"]["scale"],
        code=RUN.code.of("evaluate"),
    script:
        "../scripts/evaluate.py"
