rule report:
    """One self-contained page: how good the predictions are, seen and measured."""
    input:
        hr=expand(HR_DONE, sample=HR_SAMPLES),
        lr=expand(LR_DONE, sample=SAMPLES.index),
        registration=expand(REGISTRATION, sample=PAIRED),
        fit=fit_input(),
        train=expand(TRAIN_DONE, model=MODELS),
        sr=expand(SR_DONE, sample=PREDICTED, model=MODELS),
        metrics=expand(METRICS, sample=TESTED, model=MODELS),
    output:
        page=report(
            f"{RESULTS}/report.html",
            caption="../report/report.rst",
            category="Report",
        ),
        provenance=f"{RESULTS}/provenance.json",
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{BENCHMARKS}/report.tsv"
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        results=lambda wildcards, output: str(Path(output.page).parent),
        template=fingerprint((str(TEMPLATE),)),
        rows=report_rows(),
        models=MODELS,
        config=config,
        code=code("report"),
    script:
        "../scripts/report.py"
