rule pair_up:
    """The template of a pair in a regime: index files, no copies. It makes nothing; rules/pairs/ holds the pairs."""
    input:
        teacher=data_of("teacher"),
        student=data_of("student"),
    output:
        student="results/pairs/{pair}/{regime}/student.csv",
        teacher="results/pairs/{pair}/{regime}/teacher.csv",
        card="results/pairs/{pair}/{regime}/card.json",
    log:
        "results/logs/pairs/{pair}/{regime}.log",
    benchmark:
        "results/timings/pairs/{pair}/{regime}.tsv"
    wildcard_constraints:
        pair="(?!)",  # matches no name
    conda:
        f"{ROOT}/environment.yml"  # in full, since the rules made from this one stand in another folder
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=10,
    params:
        root=root_of,
        spec=pair_up_spec,
        code=source_digest("ucmkd.data.pairing"),
    message:
        "Pair up {wildcards.pair}, regime {wildcards.regime}"
    shell:
        "python -m ucmkd.jobs pair_up {params.spec:q} --root {params.root:q} > {log} 2>&1"
