"""Why a run ended, in a code and a sentence for the user."""

from __future__ import annotations

import enum

__all__ = ["Status"]


class Status(enum.Enum):
    """Why a run ended; the sentence is what a user reads, with the remedy in it."""

    CLOSED_FORM = "closed-form", "The closed form is used; nothing was searched."
    BOUND = "bound-met", "A proven bound is met: no code is better."
    TARGET = "target-reached", "The target was reached."
    EXHAUSTED = (
        "exhausted",
        "Every kind of start and every symmetry that fits had its share, and the best code came again and again "
        "from several of them.",
    )
    STARTS = "starts-tried", "All starts that were asked for were tried; more may widen the angle."
    CONVERGED = "converged", "The gradient vanished to working precision."
    LEARNING_RATE_EXHAUSTED = (
        "learning-rate-exhausted",
        "The loss stagnated at the smallest learning rate.",
    )
    LOCAL_MAXIMUM = (
        "local-maximum",
        "A strict local maximum: every small displacement narrows the minimal angle, but for rotations and rattlers.",
    )
    FIRST_ORDER = (
        "first-order-maximum",
        "A local maximum to first order: the contacts balance, but leave some points free to move together.",
    )
    STALLED = (
        "stalled",
        "The polish stopped gaining before its contact equations closed: near a local maximum, "
        "not at one. Polish again from another start.",
    )
    STEP_LIMIT = "step-limit", "The step limit was reached; more steps may widen the angle."
    TIME_LIMIT = "time-limit", "The time limit was reached; more time may widen the angle."
    REPAIRED = (
        "repaired",
        "The ladder was climbed from every start that is due at this size, and the worst defects were repaired; "
        "more time may widen the angle.",
    )
    START = "start-returned", "The time limit left no time for one iteration: the start is returned as it was drawn."
    INTERRUPTED = "interrupted", "Interrupted; the best code so far was kept."
    WORKERS_LOST = "workers-lost", "The workers are lost; the best code so far was kept. The same command goes on."
    NON_FINITE = (
        "non-finite",
        "The loss became infinite or not a number; the best finite code was kept. Try float64, "
        "a smaller learning rate, or a smaller s.",
    )

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        self.sentence = sentence
