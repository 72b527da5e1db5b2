rule ingest_hr:
    """Stream a raw HR acquisition into OME-Zarr."""
    input:
        raw=raw_done("path"),
    output:
        done=HR_DONE,
    log:
        f"{LOGS}/ingest/{{sample}}.hr.log",
    benchmark:
        f"{BENCHMARKS}/ingest/{{sample}}.hr.tsv"
    wildcard_constraints:
        sample=one_of(HR_SAMPLES),
    conda:
        "../../envs/pssrflow.yaml"
    threads: 2
    resources:
        mem_mb=4000,
    params:
        path=raw_path("path"),
        store=HR_STORE,
        overrides=overrides(*OVERRIDES),
        ingest=config["ingest"],
        fingerprint=raw_fingerprint("path"),
        code=code("ingest"),
    script:
        "../scripts/ingest.py"


use rule ingest_hr as ingest_lr with:
    output:
        done=LR_DONE,
    log:
        f"{LOGS}/ingest/{{sample}}.lr.log",
    benchmark:
        f"{BENCHMARKS}/ingest/{{sample}}.lr.tsv"
    wildcard_constraints:
        sample=one_of(set(ACQUIRED_LR) - set(PAIRED)),
    params:
        path=raw_path("path"),
        store=LR_STORE,
        overrides=overrides(*OVERRIDES),
        ingest=config["ingest"],
        fingerprint=raw_fingerprint("path"),
        code=code("ingest"),


use rule ingest_lr as ingest_paired_lr with:
    input:
        raw=raw_done("lr_path"),
    wildcard_constraints:
        sample=one_of(PAIRED),
    params:
        path=raw_path("lr_path"),
        store=LR_STORE,
        # The pixel size of the sheet is that of the HR image.
        overrides=overrides("axes", "scene", "channels"),
        ingest=config["ingest"],
        fingerprint=raw_fingerprint("lr_path"),
        code=code("ingest"),


use rule ingest_hr as ingest_weight with:
    input:
        raw=raw_done("weight_path"),
    output:
        done=WEIGHT_DONE,
    log:
        f"{LOGS}/ingest/{{sample}}.weight.log",
    benchmark:
        f"{BENCHMARKS}/ingest/{{sample}}.weight.tsv"
    wildcard_constraints:
        sample=one_of(WEIGHTED),
    params:
        path=raw_path("weight_path"),
        store=WEIGHT_STORE,
        # One channel of weights for all channels of the image.
        overrides=overrides("axes", "crop"),
        # Its window then ends with the largest weight.
        ingest=config["ingest"] | {"percentiles": [0, 100]},
        fingerprint=raw_fingerprint("weight_path"),
        code=code("ingest"),


use rule ingest_weight as ingest_mask with:
    input:
        raw=raw_done("mask_path"),
    output:
        done=MASK_DONE,
    log:
        f"{LOGS}/ingest/{{sample}}.mask.log",
    benchmark:
        f"{BENCHMARKS}/ingest/{{sample}}.mask.tsv"
    wildcard_constraints:
        sample=one_of(MASKED),
    params:
        path=raw_path("mask_path"),
        store=MASK_STORE,
        overrides=overrides("axes", "crop"),
        ingest=config["ingest"],
        fingerprint=raw_fingerprint("mask_path"),
        code=code("ingest"),
