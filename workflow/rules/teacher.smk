rule train_teacher:
    """Train a block of teachers, one a seed, and store what each says of every sample."""
    input:
        pair=pool_of,
        data=data_of("teacher"),
    output:
        records="results/teachers/{pair}/{pool}/block{block}/records.json",
        history="results/teachers/{pair}/{pool}/block{block}/history.csv",
        outputs=directory("results/teachers/{pair}/{pool}/block{block}/outputs"),
        models=directory("results/teachers/{pair}/{pool}/block{block}/models"),
    log:
        "results/logs/teachers/{pair}/{pool}/block{block}.log",
    benchmark:
        "results/timings/teachers/{pair}/{pool}/block{block}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **GPU,
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        root=root_of,
        spec=teacher_spec,
    message:
        "Train teachers of {wildcards.pair}, pool {wildcards.pool}, block {wildcards.block}"
    shell:
        "python -m ucmkd.jobs teacher {params.spec:q} --root {params.root:q} > {log} 2>&1"
