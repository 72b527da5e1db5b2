rule simulate_acquisition:
    """Scan simulated tissue, and write what a microscope would."""
    output:
        done=PATHS.simulated_done(),
    log:
        PATHS.log("simulate/{name}"),
    benchmark:
        PATHS.benchmark("simulate/{name}")
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=RUN.demand.memory("simulate"),
        runtime=RUN.demand.minutes("simulate"),
    params:
        path=lambda wildcards: RUN.raw.simulated(wildcards.name),
        settings=lambda wildcards: config["simulate"][wildcards.name],
        seed=config["seed"],
        code=RUN.code.of("simulate"),
    script:
        "../scripts/simulate.py"
