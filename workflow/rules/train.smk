rule choose_magnification:
    """Choose at which magnifications to learn, by the pixel sizes of what is asked for."""
    input:
        RUN.magnified_images,
    output:
        PATHS.magnification,
    log:
        PATHS.log("magnification"),
    benchmark:
        PATHS.benchmark("magnification")
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=RUN.demand.memory("magnification"),
        runtime=RUN.demand.minutes("magnification"),
    params:
        learnt=RUN.magnified_stores["learnt"],
        asked=RUN.magnified_stores["asked"],
        scale=config["crappify"]["scale"],
        code=RUN.code.of("magnification"),
    script:
        "../scripts/magnification.py"


rule find_copies:
    """Look for pixels of rows that are learnt from in rows that are tested."""
    input:
        [PATHS.done("hr", sample) for sample in RUN.hr_of("trained") | RUN.held_out],
    output:
        PATHS.copies,
    log:
        PATHS.log("copies"),
    benchmark:
        PATHS.benchmark("copies")
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=RUN.demand.memory("copies"),
        runtime=RUN.demand.minutes("copies"),
    params:
        learnt=RUN.hr_of("trained"),
        tested=RUN.held_out,
        code=RUN.code.of("copies"),
    script:
        "../scripts/copies.py"


rule train_model:
    """Train one network on every training row; goes on where it was killed."""
    input:
        hr=RUN.trained_on("hr"),
        lr=RUN.trained_on("lr"),
        registration=RUN.trained_on("registration"),
        weight=RUN.trained_on("weight"),
        mask=RUN.trained_on("mask"),
        fit=RUN.fit,
        zoom=RUN.magnification,
        # Another test row trains nothing anew.
        copies=[ancient(path) for path in RUN.copies],
    output:
        done=PATHS.trained(),
    log:
        PATHS.log("train/{model}"),
    benchmark:
        PATHS.benchmark("train/{model}")
    wildcard_constraints:
        model=one_of(set(MODELS) - set(RUN.networks.models_of("ensemble", "package"))),
    conda:
        "../../envs/pssrflow.yaml"
    threads: RUN.demand.threads("train")
    resources:
        **RUN.demand.machines,
        mem_mb=RUN.demand.memory("train"),
        runtime=RUN.demand.minutes("train"),
    params:
        rows=RUN.training_rows,
        folder=PATHS.model(),
        model=RUN.networks.model,
        crappify=RUN.crappifier,
        accept={"require_fit": config["calibrate"]["require_fit"]},
        train=SETTINGS.train.deciding,
        kept=RUN.kept,
        seed=config["seed"],
        code=RUN.code.training("train"),
    script:
        "../scripts/train.py"


rule assemble_ensemble:
    """Take several networks as one, whose prediction is their mean."""
    input:
        train=RUN.networks.members_done,
    output:
        done=PATHS.trained(),
    log:
        PATHS.log("train/{model}"),
    benchmark:
        PATHS.benchmark("train/{model}")
    wildcard_constraints:
        model=one_of(RUN.networks.models_of("ensemble")),
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=RUN.demand.memory("assemble"),
        runtime=RUN.demand.minutes("assemble"),
    params:
        folder=PATHS.model(),
        members=RUN.networks.members,
        python=RUN.networks.python,
        model=RUN.networks.model,
        scale=config["crappify"]["scale"],
        code=RUN.code.network("assemble"),
    script:
        "../scripts/assemble.py"
