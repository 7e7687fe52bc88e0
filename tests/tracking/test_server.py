"""Publishing to a server: a real one, one that is away, and one that hangs up."""

import json
import socket
import threading
import urllib.request

from ucmkd.tracking.publish import Published


def ask(address, question=None):
    """Call the REST interface without MLflow's client."""
    body = None if question is None else json.dumps(question).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_a_server_that_was_away_gets_everything_later(results, free_port, server_on):
    uri = f"http://127.0.0.1:{free_port}"
    away = results.publish(uri)
    assert (away.new, away.resumed, away.skipped, len(away.pending)) == (0, 0, 0, 7)
    assert set(json.loads(results.receipt.read_text())["pending"]) == {*results.records(), "summary"}

    server_on(free_port)
    assert results.publish(uri) == Published(new=7, resumed=0, skipped=0, pending=())
    assert results.publish(uri) == Published(new=0, resumed=0, skipped=7, pending=())

    api = f"{uri}/api/2.0/mlflow"
    experiment = ask(f"{api}/experiments/get-by-name?experiment_name=ucmkd")["experiment"]["experiment_id"]
    found = ask(f"{api}/runs/search", {"experiment_ids": [experiment], "filter": "tags.method = 'kd'"})[
        "runs"
    ]
    tags = [{tag["key"]: tag["value"] for tag in run["data"]["tags"]} for run in found]
    assert {tag["run_key"] for tag in tags} == {key for key in results.records() if "/kd/" in key}
    history = ask(f"{api}/metrics/get-history?run_id={found[0]['info']['run_id']}&metric_key=val/accuracy")
    assert [point["step"] for point in history["metrics"]] == [1, 2, 3, 4]

    summary = ask(f"{api}/runs/search", {"experiment_ids": [experiment], "filter": "tags.stage = 'summary'"})
    run = summary["runs"][0]["info"]["run_id"]
    listed = ask(f"{api}/artifacts/list?run_id={run}")["files"]
    assert [file["path"] for file in listed] == ["figures", "report.html", "tables"]


def test_a_server_that_hangs_up_is_not_asked_again_and_again(results):
    listener = socket.create_server(("127.0.0.1", 0))
    calls = []

    def hang_up():
        while True:
            connection, _ = listener.accept()
            with connection:
                if not connection.recv(1):
                    return
            calls.append(connection)

    thread = threading.Thread(target=hang_up)
    thread.start()
    address = listener.getsockname()
    published = results.publish(f"http://127.0.0.1:{address[1]}")
    socket.create_connection(address).close()
    thread.join()
    listener.close()
    assert len(published.pending) == 7
    assert 1 <= len(calls) <= 4
