rule evaluate_prediction:
    """Compare a prediction and its bicubic baseline with the truth."""
    input:
        hr=HR_DONE,
        lr=LR_DONE,
        sr=SR_DONE,
        registration=lambda wildcards: (
            [REGISTRATION.format(sample=wildcards.sample)] if wildcards.sample in PAIRED else []
        ),
    output:
        metrics=report(
            METRICS,
            caption="../report/metrics.rst",
            category="Metrics",
            labels={"sample": "{sample}", "model": "{model}"},
        ),
    log:
        f"{LOGS}/evaluate/{{sample}}.{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/evaluate/{{sample}}.{{model}}.tsv"
    wildcard_constraints:
        sample=one_of(TESTED),
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        hr=HR_STORE,
        lr=LR_STORE,
        sr=SR_STORE,
        scale=config["crappify"]["scale"],
        code=code("evaluate"),
    script:
        "../scripts/evaluate.py"
