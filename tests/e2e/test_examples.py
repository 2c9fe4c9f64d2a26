"""The example that installs packages, built without an engine; it needs a package index."""

import json
from pathlib import Path

import pytest

from tests.process_runtime import get, machine

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_the_iris_example_is_trained_in_its_image_and_predicts() -> None:
    folder = ROOT / "examples/iris-predictor"
    with machine() as place:
        spec, output = place.build(
            {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        )
        assert "Trained version" in output
        run = place.run(spec, memory_mb=512)
        assert get(run.host_port, "/health")[0] == 200
        headers = {"Content-Type": "application/json"}
        status, body = get(
            run.host_port, "/predict", body=b'{"features": [5.1, 3.5, 1.4, 0.2]}', headers=headers
        )
        answer = json.loads(body)
        assert (status, answer["prediction"]) == (200, 0)
        assert answer["confidence"] > 0.9 and answer["model_version"]
        for wrong in (b"{}", b'{"features": []}', b"x"):
            status, body = get(run.host_port, "/predict", body=wrong, headers=headers)
            assert (status, json.loads(body)) == (400, {"error": "No features provided"})
        for wrong in (
            b'{"features": [1, 2]}',
            b'{"features": [1, 2, 3, "x"]}',
            b'{"features": [1e999, 2, 3, 4]}',
        ):
            assert get(run.host_port, "/predict", body=wrong, headers=headers)[0] == 400
