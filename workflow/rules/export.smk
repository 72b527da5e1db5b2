PACKAGE = f"{RESULTS}/models/{{model}}/{{model}}.bioimageio.zip"
# Whose LR image the example of a package is cut from.
EXAMPLE = (TESTED or TRAINED or PREDICTED)[0]


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


def about(export, model):
    """What the configuration says of a package, named after its model where it gives no name."""
    return export | {"name": export["name"] or f"PSSRflow {model}"}
