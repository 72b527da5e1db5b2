PACKAGE = f"{RESULTS}/models/{{model}}/{{model}}.bioimageio.zip"
# Whose LR image the example of a package is cut from.
EXAMPLE = (TESTED or TRAINED or PREDICTED)[0]
PACKAGED = [name for name, model in config["models"].items() if model["arch"] == "package"]


# A network that comes as a package is not trained.
ruleorder: adopt_package > train_model


rule export_model:
    """Write a trained network as a model package of bioimage.io, and test the package."""
    input:
        train=TRAIN_DONE,
        lr=LR_DONE.format(sample=EXAMPLE),
    output:
        package=PACKAGE,
    log:
        f"{LOGS}/export/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/export/{{model}}.tsv"
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        weights=WEIGHTS,
        lr=LR_STORE.format(sample=EXAMPLE),
        percentiles=config["ingest"]["percentiles"],
        about=lambda wildcards: about(config["export"], wildcards.model),
        code=code("export"),
    script:
        "../scripts/export.py"


rule adopt_package:
    """Verify a model package and take its network in, as if it had been trained here."""
    output:
        done=TRAIN_DONE,
    log:
        f"{LOGS}/train/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/train/{{model}}.tsv"
    wildcard_constraints:
        model=one_of(PACKAGED),
    conda:
        "../../envs/pssrflow.yaml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        folder=MODEL_FOLDER,
        package=lambda wildcards: config["models"][wildcards.model]["package"],
        # The package is no Snakemake input: its time stamp means nothing.
        content=lambda wildcards: fingerprint((config["models"][wildcards.model]["package"],)),
        scale=config["crappify"]["scale"],
        percentiles=config["ingest"]["percentiles"],
        code=code("adopt"),
    script:
        "../scripts/adopt.py"
