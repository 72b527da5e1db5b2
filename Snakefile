from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/ingest.smk"
include: "workflow/rules/calibrate.smk"
include: "workflow/rules/crappify.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/trust.smk"
include: "workflow/rules/report.smk"


localrules:
    all,
    ingest,
    calibrate,
    crappify,
    train,
    predict,
    evaluate,
    trust,
    export,
    export_images,
    plan,


onstart:
    claim(PATHS.results)


onerror:
    print(*failures(log, COMMAND), *full_disks(WRITTEN), sep="\n")


rule all:
    """Everything that a run leaves, so that what is deleted of it is made anew."""
    default_target: True
    input:
        [PATHS.image_done(image) for image in RUN.images],
        DRAWS_DONE,
        rules.report.input,
        rules.report.output,
        [PATHS.accepted] if config["report"]["fail_on"] and RUN.trusted else [],


rule ingest:
    input:
        [PATHS.image_done(image) for image in RUN.images],


rule crappify:
    input:
        DRAWS_DONE,


rule calibrate:
    input:
        PATHS.crappifier,


rule train:
    input:
        expand(PATHS.trained(), model=MODELS),


rule predict:
    input:
        expand(PATHS.map_done("sr"), sample=PREDICTED, model=MODELS),


rule evaluate:
    input:
        expand(PATHS.metrics(), sample=TESTED, model=MODELS),


rule trust:
    input:
        PATHS.verdict,


rule export:
    input:
        expand(
            PATHS.package(),
            model=[m for m in MODELS if m not in RUN.networks.models_of("package")],
        ),


rule export_images:
    input:
        expand(PATHS.map_image("sr"), sample=PREDICTED, model=MODELS),
