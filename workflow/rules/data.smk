rule fetch_upstream:
    """Get the files of a public data set from its home, or from a mirror, and check them."""
    output:
        directory("results/downloads/{upstream}"),
    log:
        "results/logs/downloads/{upstream}.log",
    benchmark:
        "results/timings/downloads/{upstream}.tsv"
    retries: 2
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        download=1,
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=240,
    params:
        root=root_of,
        spec=fetch_spec,
    message:
        "Fetch {wildcards.upstream}"
    shell:
        "python -m ucmkd.jobs fetch {params.spec:q} --root {params.root:q} > {log} 2>&1"


rule prepare_dataset:
    """Read or make a dataset, check it, and store it once for all jobs."""
    input:
        fetched_for,
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
    threads: prepare_threads
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        root=root_of,
        spec=prepare_spec,
    message:
        "Prepare {wildcards.dataset}"
    shell:
        "UCMKD_WORKERS={threads} python -m ucmkd.jobs prepare {params.spec:q} --root {params.root:q} > {log} 2>&1"
