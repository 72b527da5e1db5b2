rule simulate_acquisition:
    """Scan simulated tissue, and write what a microscope would."""
    output:
        done=SIMULATE_DONE,
    log:
        f"{LOGS}/simulate/{{name}}.log",
    benchmark:
        f"{BENCHMARKS}/simulate/{{name}}.tsv"
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        path=lambda wildcards: simulated_path(SIMULATED + wildcards.name),
        settings=lambda wildcards: config["simulate"][wildcards.name],
        seed=config["seed"],
        code=code("simulate"),
    script:
        "../scripts/simulate.py"
