rule tune:
    """Try settings of a method out on seeds that are never reported, by validation data alone."""
    input:
        student_rows="results/pairs/{pair}/{regime}/student.csv",
        teacher_rows="results/pairs/{pair}/{regime}/teacher.csv",
        pair="results/pairs/{pair}/{regime}/card.json",
        student_data=data_of("student"),
        teacher_data=data_of("teacher"),
        teachers=tuning_teachers_of,
    output:
        records="results/tuning/{pair}/{regime}/{method}/records.json",
        history="results/tuning/{pair}/{regime}/{method}/history.csv",
        best="results/tuning/{pair}/{regime}/{method}/best.json",
    log:
        "results/logs/tuning/{pair}/{regime}/{method}.log",
    benchmark:
        "results/timings/tuning/{pair}/{regime}/{method}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **GPU,
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        root=root_of,
        spec=tune_spec,
    message:
        "Tune {wildcards.method} on {wildcards.pair}, regime {wildcards.regime}"
    shell:
        "python -m ucmkd.jobs tune {params.spec:q} --root {params.root:q} > {log} 2>&1"


rule distill:
    """Train a block of students, one a seed: any method, baselines, controls and ablations included."""
    input:
        student_rows="results/pairs/{pair}/{regime}/student.csv",
        teacher_rows="results/pairs/{pair}/{regime}/teacher.csv",
        pair="results/pairs/{pair}/{regime}/card.json",
        student_data=data_of("student"),
        teacher_data=data_of("teacher"),
        teachers=teachers_of,
        settings=tuned_for,
    output:
        records="results/runs/{pair}/{regime}/{method}/{variant}/block{block}/records.json",
        history="results/runs/{pair}/{regime}/{method}/{variant}/block{block}/history.csv",
        predictions=directory("results/runs/{pair}/{regime}/{method}/{variant}/block{block}/predictions"),
        models=directory("results/runs/{pair}/{regime}/{method}/{variant}/block{block}/models"),
    log:
        "results/logs/runs/{pair}/{regime}/{method}/{variant}/block{block}.log",
    benchmark:
        "results/timings/runs/{pair}/{regime}/{method}/{variant}/block{block}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **GPU,
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        root=root_of,
        spec=distill_spec,
    message:
        "Train {wildcards.method} ({wildcards.variant}) on {wildcards.pair}, regime {wildcards.regime}, block {wildcards.block}"
    shell:
        "python -m ucmkd.jobs distill {params.spec:q} --root {params.root:q} > {log} 2>&1"
