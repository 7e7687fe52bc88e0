rule publish_runs:
    """Show the finished runs in MLflow. A server that is away delays the view and fails nothing."""
    input:
        TABLES,
        FIGURE_FILES,
        "results/report.html",
        all_runs(),
    output:
        "results/tracking/published.json",
    log:
        "results/logs/tracking.log",
    benchmark:
        "results/timings/tracking.tsv"
    localrule: True  # a database file wants one machine
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=60,
    params:
        root=root_of,
        spec=specs.text(specs.publish(BENCHMARK)),
        code=source_digest("ucmkd.tracking.publish"),
    message:
        "Publish all runs"
    # As for summarise, the list of runs comes by standard input.
    shell:
        "python -m ucmkd.jobs publish - --root {params.root:q} <<< {params.spec:q} > {log} 2>&1"
