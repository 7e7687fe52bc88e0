rule summarise:
    """Gather the records of exactly the runs that the configuration asks for, and compare them."""
    input:
        all_runs(),
        diagnosed(),
    output:
        TABLES,
    log:
        "results/logs/summary.log",
    benchmark:
        "results/timings/summary.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
    params:
        root=root_of,
        spec=specs.text(specs.summarise(BENCHMARK)),
        code=source_digest("ucmkd.evaluation.summarise"),
    message:
        "Summarise all runs"
    # The list of runs outgrows a command line, so it comes by standard input.
    shell:
        "python -m ucmkd.jobs summarise - --root {params.root:q} <<< {params.spec:q} > {log} 2>&1"


rule plot_figures:
    """Draw every figure of ucmkd/figures from the tables."""
    input:
        TABLES,
    output:
        [
            report(
                f"results/figures/{figure}.png",
                caption=f"../report/{figure}.rst",
                category="Figures",
                labels={"figure": figure},
            )
            for figure in figure_names()
        ],
        expand("results/figures/{figure}.svg", figure=figure_names()),
    log:
        "results/logs/figures.log",
    benchmark:
        "results/timings/figures.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
    params:
        root=root_of,
        spec=specs.text(specs.figures()),
        code=source_digest("ucmkd.figures.draw", *(f"ucmkd.figures.{figure}" for figure in figure_names())),
    message:
        "Draw the figures"
    shell:
        "python -m ucmkd.jobs figures {params.spec:q} --root {params.root:q} > {log} 2>&1"


rule draw_data_card:
    """Draw some training samples of a dataset for its card."""
    input:
        expand("results/data/{{dataset}}/{file}", file=PREPARED),
    output:
        "results/figures/data/{dataset}.png",
    log:
        "results/logs/figures/{dataset}.log",
    benchmark:
        "results/timings/figures/{dataset}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
    params:
        root=root_of,
        spec=data_card_spec,
        code=source_digest("ucmkd.data_cards.draw"),
    message:
        "Draw samples of {wildcards.dataset}"
    shell:
        "python -m ucmkd.jobs data_card {params.spec:q} --root {params.root:q} > {log} 2>&1"


rule write_report:
    """Put figures and tables on one page that needs nothing else."""
    input:
        TABLES,
        DATA_FILES,
        DATA_PICTURES,
        expand("results/figures/{figure}.svg", figure=figure_names()),
    output:
        "results/report.html",
    log:
        "results/logs/report.log",
    benchmark:
        "results/timings/report.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
    params:
        root=root_of,
        spec=specs.text(specs.report(BENCHMARK, config)),
        code=source_digest("ucmkd.report.build"),
        words=text_digest(*ROOT.glob("workflow/report/*.rst"), *ROOT.glob("ucmkd/report/*.j2")),
    message:
        "Write the report"
    shell:
        "python -m ucmkd.jobs report {params.spec:q} --root {params.root:q} > {log} 2>&1"
