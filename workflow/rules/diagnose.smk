rule bound:
    """Measure every term of the bound of UCMKD on held-out data, for a block of finished students."""
    input:
        student_rows="results/pairs/{pair}/{regime}/student.csv",
        teacher_rows="results/pairs/{pair}/{regime}/teacher.csv",
        pair="results/pairs/{pair}/{regime}/card.json",
        student_data=data_of("student"),
        teacher_data=data_of("teacher"),
        teachers=teachers_of,
        records="results/runs/{pair}/{regime}/{method}/{variant}/block{block}/records.json",
        models="results/runs/{pair}/{regime}/{method}/{variant}/block{block}/models",
    output:
        "results/diagnostics/bound/{pair}/{regime}/{method}/{variant}/block{block}.json",
    log:
        "results/logs/diagnostics/bound/{pair}/{regime}/{method}/{variant}/block{block}.log",
    benchmark:
        "results/timings/diagnostics/bound/{pair}/{regime}/{method}/{variant}/block{block}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        root=root_of,
        spec=bound_spec,
    message:
        "Measure the bound of {wildcards.method} ({wildcards.variant}) on {wildcards.pair}, regime {wildcards.regime}, block {wildcards.block}"
    shell:
        "python -m ucmkd.jobs bound {params.spec:q} --root {params.root:q} > {log} 2>&1"


rule cch:
    """Estimate the mutual information between teachers, students trained alone, and labels, on validation data."""
    input:
        student_rows="results/pairs/{pair}/alone/student.csv",
        teacher_rows="results/pairs/{pair}/alone/teacher.csv",
        pair="results/pairs/{pair}/alone/card.json",
        student_data=data_of("student"),
        teacher_data=data_of("teacher"),
        teachers=lambda wildcards: teacher_files(f"{wildcards.pair}/full", wildcards.block),
        records="results/runs/{pair}/alone/ce/default/block{block}/records.json",
        models="results/runs/{pair}/alone/ce/default/block{block}/models",
    output:
        "results/diagnostics/cch/{pair}/block{block}.json",
    log:
        "results/logs/diagnostics/cch/{pair}/block{block}.log",
    benchmark:
        "results/timings/diagnostics/cch/{pair}/block{block}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        root=root_of,
        spec=cch_spec,
    message:
        "Estimate mutual information on {wildcards.pair}, block {wildcards.block}"
    shell:
        "python -m ucmkd.jobs cch {params.spec:q} --root {params.root:q} > {log} 2>&1"


rule pilot:
    """Train a block of students for a tenth of their epochs, and score validation data alone."""
    input:
        student_rows="results/pairs/{pair}/{regime}/student.csv",
        teacher_rows="results/pairs/{pair}/{regime}/teacher.csv",
        pair="results/pairs/{pair}/{regime}/card.json",
        student_data=data_of("student"),
        teacher_data=data_of("teacher"),
        teachers=pilot_teachers_of,
    output:
        "results/diagnostics/pilot/{pair}/{regime}/{method}/block{block}/records.json",
    log:
        "results/logs/diagnostics/pilot/{pair}/{regime}/{method}/block{block}.log",
    benchmark:
        "results/timings/diagnostics/pilot/{pair}/{regime}/{method}/block{block}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **GPU,
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        root=root_of,
        spec=pilot_spec,
    message:
        "Pilot {wildcards.method} on {wildcards.pair}, regime {wildcards.regime}, block {wildcards.block}"
    shell:
        "python -m ucmkd.jobs pilot {params.spec:q} --root {params.root:q} > {log} 2>&1"


rule simulate:
    """Compare the closed forms behind the criteria with simulations."""
    output:
        "results/diagnostics/simulation.json",
    log:
        "results/logs/diagnostics/simulation.log",
    benchmark:
        "results/timings/diagnostics/simulation.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        root=root_of,
        spec=specs.text(specs.simulate()),
    message:
        "Simulate what the closed forms say"
    shell:
        "python -m ucmkd.jobs simulate {params.spec:q} --root {params.root:q} > {log} 2>&1"
