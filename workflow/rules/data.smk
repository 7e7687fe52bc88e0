rule prepare_dataset:
    """Read or make a dataset, check it, and store it once for all jobs."""
    output:
        inputs="results/data/{dataset}/inputs.npy",
        samples="results/data/{dataset}/samples.csv",
        card="results/data/{dataset}/card.json",
    log:
        "results/logs/data/{dataset}.log",
    benchmark:
        "results/timings/data/{dataset}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=60,
    params:
        root=root_of,
        spec=prepare_spec,
        code=lambda wildcards: source_digest("ucmkd.data.base", f"ucmkd.data.datasets.{wildcards.dataset}"),
    message:
        "Prepare {wildcards.dataset}"
    shell:
        "python -m ucmkd.jobs prepare {params.spec:q} --root {params.root:q} > {log} 2>&1"
