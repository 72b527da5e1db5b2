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
