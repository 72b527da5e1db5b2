rule calibrate_trust:
    """Learn what can be promised of a network, on blocks that nothing was learnt from."""
    input:
        hr=RUN.grounds_on("hr"),
        lr=RUN.grounds_on("lr"),
        registration=RUN.grounds_on("registration"),
        weight=RUN.grounds_on("weight"),
        mask=RUN.grounds_on("mask"),
        hr2=RUN.grounds_on("hr2"),
        twice=RUN.grounds_on("twice"),
        fit=RUN.fit,
        train=PATHS.trained(),
    output:
        done=PATHS.promised(),
    log:
        PATHS.log("trust/{model}"),
    benchmark:
        PATHS.benchmark("trust/{model}")
    conda:
        "../../envs/pssrflow.yaml"
    threads: RUN.demand.threads("promise")
    resources:
        mem_mb=RUN.demand.memory("promise"),
        runtime=RUN.demand.minutes("promise"),
    params:
        rows=RUN.grounds,
        kept=RUN.kept,
        folder=lambda wildcards: PATHS.model(wildcards.model),
        weights=PATHS.weights(),
        python=RUN.networks.python,
        package=RUN.networks.packaged,
        crappify=RUN.crappifier,
        accept={"require_fit": config["calibrate"]["require_fit"]},
        train={name: config["train"][name] for name in ("patch", "validation")},
        trust={name: config["trust"][name] for name in ("level", "blocks")},
        seed=config["seed"],
        code=RUN.code.judging("promise"),
    script:
        "../scripts/promise.py"


rule trust_volume:
    """Map where a prediction is not to be believed, or finish the map that several jobs filled."""
    input:
        lr=PATHS.done("lr"),
        sr=PATHS.map_done("sr"),
        promised=PATHS.promised(),
        truth=RUN.own("truth"),
        registration=RUN.own("registration"),
        mask=RUN.own("mask"),
        parts=RUN.parts.trust_markers,
    output:
        done=PATHS.map_done("trust"),
    log:
        PATHS.log("trust/{sample}.{model}"),
    benchmark:
        PATHS.benchmark("trust/{sample}.{model}")
    conda:
        "../../envs/pssrflow.yaml"
    threads: RUN.demand.threads("trust")
    resources:
        mem_mb=RUN.demand.memory("trust"),
        runtime=RUN.demand.minutes("trust"),
    params:
        lr=PATHS.store("lr"),
        sr=PATHS.map_store("sr"),
        trust=PATHS.map_store("trust"),
        done=PATHS.map_done("trust"),
        promise=PATHS.promise(),
        truth=RUN.truth,
        limit=config["trust"]["width"],
        ingest=RUN.raw.stored,
        shares=lambda wildcards: PATHS.trust_shares(wildcards.sample, wildcards.model),
        code=RUN.code.crappifier("trust"),
    script:
        "../scripts/trust.py"


use rule trust_volume as trust_init with:
    input:
        lr=PATHS.done("lr"),
        sr=PATHS.map_done("sr"),
        promised=PATHS.promised(),
        truth=RUN.own("truth"),
        registration=RUN.own("registration"),
        mask=RUN.own("mask"),
    output:
        begun=PATHS.trust_begun(),
    log:
        PATHS.log("trust/{sample}.{model}.init"),
    benchmark:
        PATHS.benchmark("trust/{sample}.{model}.init")
    threads: 1
    resources:
        mem_mb=RUN.demand.memory("init"),
        runtime=RUN.demand.minutes("init"),
    params:
        parts=RUN.parts.begun_trust,


use rule trust_volume as trust_part with:
    input:
        lr=PATHS.done("lr"),
        sr=PATHS.map_done("sr"),
        promised=PATHS.promised(),
        truth=RUN.own("truth"),
        registration=RUN.own("registration"),
        mask=RUN.own("mask"),
        begun=PATHS.trust_begun(),
    output:
        marker=PATHS.trust_part(),
    log:
        PATHS.log("trust/{sample}.{model}.{part}"),
    benchmark:
        PATHS.benchmark("trust/{sample}.{model}.{part}")


rule judge:
    """Say of every prediction whether it is fit for use, in one file that programs read."""
    input:
        expand(PATHS.map_done("trust"), sample=RUN.trusted, model=MODELS),
    output:
        PATHS.verdict,
    log:
        PATHS.log("trust/judge"),
    benchmark:
        PATHS.benchmark("trust/judge")
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=RUN.demand.memory("judge"),
        runtime=RUN.demand.minutes("judge"),
    params:
        predictions=[
            [sample, model, PATHS.map_done("trust", sample, model)]
            for sample in RUN.trusted
            for model in MODELS
        ],
        code=RUN.code.of("judge"),
    script:
        "../scripts/judge.py"


rule accept:
    """Stop where a prediction is worse than `report.fail_on` allows; the report is made before."""
    input:
        verdict=PATHS.verdict,
        page=PATHS.page,
    output:
        PATHS.accepted,
    log:
        PATHS.log("trust/accept"),
    benchmark:
        PATHS.benchmark("trust/accept")
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=RUN.demand.memory("judge"),
        runtime=RUN.demand.minutes("judge"),
    params:
        fail_on=config["report"]["fail_on"],
        code=RUN.code.of("accept"),
    script:
        "../scripts/accept.py"
