"""Tells the species of an iris from its measures, by the model that lies in the image."""

import json
from pathlib import Path

from flask import Flask, Response, jsonify, request
from skops.io import get_untrusted_types, load

FOLDER = Path(__file__).parent / "model"
FACTS = json.loads((FOLDER / "facts.json").read_text())
# Types beyond the plain ones that this very model is made of; any other in the file is refused.
TRUSTED = ["sklearn.tree._tree.Tree"]
# No flower is longer than this, in centimetres; and what is not a number is not smaller than it either.
LARGEST = 1000

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 1024 * 1024


def load_model():  # type: ignore[no-untyped-def]
    unknown = set(get_untrusted_types(file=FOLDER / "model.skops")) - set(TRUSTED)
    if unknown:
        raise RuntimeError(f"The model holds types that nobody has looked at: {sorted(unknown)}")
    model = load(FOLDER / "model.skops", trusted=TRUSTED)
    # One row at a time: handing the trees to threads costs more than it saves.
    return model.set_params(n_jobs=1)


MODEL = load_model()


def refuse(error: str) -> tuple[Response, int]:
    return jsonify(error=error), 400


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


@app.get("/")
def info() -> Response:
    return jsonify(name="iris-predictor", model=FACTS)


@app.get("/health")
def health() -> Response:
    return jsonify(status="healthy", model_version=FACTS["version"])


@app.post("/predict")
def predict() -> Response | tuple[Response, int]:
    body = request.get_json(silent=True)
    features = body.get("features") if isinstance(body, dict) else None
    if not features:
        return refuse("No features provided")
    wanted = len(FACTS["features"])
    if not isinstance(features, list) or len(features) != wanted or not all(map(is_number, features)):
        return refuse(f"The features must be {wanted} numbers: {', '.join(FACTS['features'])}")
    chances = MODEL.predict_proba([features])[0]
    best = int(chances.argmax())
    return jsonify(
        prediction=int(MODEL.classes_[best]),
        species=FACTS["classes"][best],
        confidence=round(float(chances[best]), 4),
        model_version=FACTS["version"],
    )
