rule train_model:
    """Train one network on every training row; goes on where it was killed."""
    input:
        hr=expand(HR_DONE, sample=TRAINED),
        lr=expand(LR_DONE, sample=TRAINED),
        registration=expand(REGISTRATION, sample=[s for s in TRAINED if s in PAIRED]),
        weight=expand(WEIGHT_DONE, sample=[s for s in TRAINED if s in WEIGHTED]),
        fit=fit_input(),
    output:
        done=TRAIN_DONE,
    log:
        f"{LOGS}/train/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/train/{{model}}.tsv"
    conda:
        "../../envs/pssrflow.yaml"
    threads: workflow.cores
    resources:
        mem_mb=8000,
    params:
        rows=training_rows(),
        folder=MODEL_FOLDER,
        model=model_params,
        crappify=crappifier_params(),
        accept={"require_fit": config["calibrate"]["require_fit"]},
        train=config["train"],
        seed=config["seed"],
        code=code("train"),
    script:
        "../scripts/train.py"


# A network that is made of others is not trained.
ruleorder: assemble_ensemble > train_model


rule assemble_ensemble:
    """Take several networks as one, whose prediction is their mean."""
    input:
        train=lambda wildcards: [TRAIN_DONE.format(model=m) for m in members(wildcards, MODELS)],
    output:
        done=TRAIN_DONE,
    log:
        f"{LOGS}/train/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/train/{{model}}.tsv"
    wildcard_constraints:
        model=one_of(ENSEMBLES),
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        folder=MODEL_FOLDER,
        members=lambda wildcards: {
            m: WEIGHTS.format(model=m) if m in MODELS else m for m in members(wildcards)
        },
        model=model_params,
        scale=config["crappify"]["scale"],
        code=code("assemble"),
    script:
        "../scripts/assemble.py"
