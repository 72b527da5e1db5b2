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
