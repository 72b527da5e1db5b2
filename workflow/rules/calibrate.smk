rule register_pair:
    """Measure how an acquired LR image lies beside the HR image of its field."""
    input:
        hr=HR_DONE,
        lr=LR_DONE,
    output:
        done=REGISTRATION,
    log:
        f"{LOGS}/register/{{sample}}.log",
    benchmark:
        f"{BENCHMARKS}/register/{{sample}}.tsv"
    wildcard_constraints:
        sample=one_of(PAIRED),
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        hr=HR_STORE,
        lr=LR_STORE,
        scale=config["crappify"]["scale"],
        code=code("register"),
    script:
        "../scripts/register.py"


rule calibrate_crappifier:
    """Fit the crappifier to acquired pairs, with intervals and a verdict."""
    input:
        hr=[HR_DONE.format(**row) for row in calibration_rows() if row["hr"]],
        lr=[LR_DONE.format(**row) for row in calibration_rows() if row["lr"]],
    output:
        fit=CALIBRATION,
    log:
        f"{LOGS}/calibrate.log",
    benchmark:
        f"{BENCHMARKS}/calibrate.tsv"
    conda:
        "../../envs/pssrflow.yaml"
    threads: 2
    resources:
        mem_mb=6000,
    params:
        rows=calibration_rows(),
        crappify=crappifier_params(),
        calibrate=config["calibrate"],
        seed=config["seed"],
        code=code("calibrate"),
    script:
        "../scripts/calibrate.py"
