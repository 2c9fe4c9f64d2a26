"""Judges a text by its words: small enough to read, and fast enough for a demonstration."""

import re

POSITIVE = {
    "amazing", "awesome", "beautiful", "best", "brilliant", "delightful", "easy", "enjoy", "enjoyed", "excellent", "fantastic",
    "fast", "favorite", "friendly", "glad", "good", "great", "happy", "helpful", "impressive", "like", "liked", "love", "loved",
    "nice", "perfect", "pleasant", "recommend", "reliable", "smooth", "superb", "thanks", "useful", "wonderful",
}  # fmt: skip
NEGATIVE = {
    "angry", "annoying", "awful", "bad", "boring", "broken", "bug", "confusing", "crash", "difficult", "disappointed",
    "disappointing", "dislike", "fail", "failed", "hate", "hated", "horrible", "mediocre", "poor", "problem", "sad", "slow",
    "terrible", "ugly", "unhappy", "unreliable", "useless", "waste", "worse", "worst", "wrong",
}  # fmt: skip
NEGATIONS = {"no", "not", "never", "hardly", "without"}


def analyze(text: str) -> dict[str, object]:
    """The sentiment of a text, from -1 to 1, and the words that made it."""
    words = re.findall(r"[a-z']+", text.lower())
    positive, negative = [], []
    for before, word in zip(["", *words], words, strict=False):
        is_negated = before in NEGATIONS or before.endswith("n't")
        if word in POSITIVE:
            (negative if is_negated else positive).append(word)
        elif word in NEGATIVE:
            (positive if is_negated else negative).append(word)
    found = len(positive) + len(negative)
    score = round((len(positive) - len(negative)) / found, 3) if found else 0.0
    return {
        "text": text,
        "sentiment": "positive" if score > 0 else "negative" if score < 0 else "neutral",
        "score": score,
        "positive_words": positive,
        "negative_words": negative,
    }
