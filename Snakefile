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
include: "workflow/rules/report.smk"


localrules:
    all,
    ingest,
    calibrate,
    crappify,
    train,
    predict,
    evaluate,
    export,
    plan,


onstart:
    claim(RESULTS)


rule all:
    default_target: True
    input:
        rules.report.output,
        DRAWS_DONE,


rule ingest:
    input:
        expand(HR_DONE, sample=HR_SAMPLES),
        expand(LR_DONE, sample=ACQUIRED_LR),


rule crappify:
    input:
        DRAWS_DONE,


rule calibrate:
    input:
        CALIBRATION,


rule train:
    input:
        expand(TRAIN_DONE, model=MODELS),


rule predict:
    input:
        expand(SR_DONE, sample=PREDICTED, model=MODELS),


rule evaluate:
    input:
        expand(METRICS, sample=TESTED, model=MODELS),


rule export:
    input:
        expand(PACKAGE, model=[m for m in MODELS if m not in PACKAGED]),
