rule report:
    """One self-contained page: how good the predictions are, seen and measured."""
    input:
        hr=[PATHS.done("hr", sample) for sample in RUN.named("has_hr")],
        lr=[PATHS.done("lr", sample) for sample in RUN.rows],
        registration=[PATHS.registration(sample) for sample in RUN.named("paired")],
        fit=RUN.fit,
        train=expand(PATHS.trained(), model=MODELS),
        sr=expand(PATHS.map_done("sr"), sample=PREDICTED, model=MODELS),
        trust=expand(PATHS.map_done("trust"), sample=RUN.trusted, model=MODELS),
        verdict=[PATHS.verdict] if RUN.trusted else [],
        metrics=expand(PATHS.metrics(), sample=TESTED, model=MODELS),
        measured=expand(PATHS.map_done("metrics"), sample=TESTED, model=MODELS),
    output:
        page=report(
            PATHS.page,
            caption="../report/report.rst",
            category="Report",
        ),
        figures=PATHS.figures,
        provenance=PATHS.provenance,
    log:
        PATHS.log("report"),
    benchmark:
        PATHS.benchmark("report")
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=RUN.demand.memory("report"),
        runtime=RUN.demand.minutes("report"),
    params:
        layout=PLACES,
        template=RUN.template,
        rows=RUN.report_rows,
        models=MODELS,
        config=config,
        named=RUN.code_named,
        code=RUN.code.crappifier("report"),
    script:
        "../scripts/report.py"
