rule register_pair:
    """Measure how an acquired LR image lies beside the HR image of its field."""
    input:
        hr=PATHS.done("hr"),
        lr=PATHS.done("lr"),
        mask=RUN.own("mask"),
    output:
        done=PATHS.registration(),
    log:
        PATHS.log("register/{sample}"),
    benchmark:
        PATHS.benchmark("register/{sample}")
    wildcard_constraints:
        sample=one_of(RUN.named("paired")),
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=RUN.demand.memory("register"),
        runtime=RUN.demand.minutes("register"),
    params:
        hr=PATHS.store("hr"),
        lr=PATHS.store("lr"),
        mask=RUN.mask_of,
        scale=config["crappify"]["scale"],
        code=RUN.code.of("register"),
    script:
        "../scripts/register.py"


use rule register_pair as register_scan with:
    input:
        hr=PATHS.done("hr2"),
        lr=PATHS.done("hr"),
        mask=[],
    output:
        done=PATHS.twice(),
    log:
        PATHS.log("register/{sample}.hr2"),
    benchmark:
        PATHS.benchmark("register/{sample}.hr2")
    wildcard_constraints:
        sample=one_of(RUN.named("repeated")),
    params:
        hr=PATHS.store("hr2"),
        lr=PATHS.store("hr"),
        mask=None,
        scale=1,


rule calibrate_crappifier:
    """Fit the crappifier to acquired pairs, with intervals and a verdict."""
    input:
        hr=RUN.calibrated("hr"),
        lr=RUN.calibrated("lr"),
        mask=RUN.calibrated("mask"),
    output:
        fit=PATHS.crappifier,
    log:
        PATHS.log("calibrate"),
    benchmark:
        PATHS.benchmark("calibrate")
    conda:
        "../../envs/pssrflow.yaml"
    threads: 2
    resources:
        mem_mb=RUN.demand.memory("calibrate"),
        runtime=RUN.demand.minutes("calibrate"),
    params:
        rows=RUN.calibration_rows,
        crappify=RUN.crappifier,
        calibrate=config["calibrate"],
        seed=config["seed"],
        code=RUN.code.crappifier("calibrate"),
    script:
        "../scripts/calibrate.py"
