"""Labels of matrices that are equal but for rounding."""

import numpy as np

from tammes.groups.equal_matrices import equal_labels


class TestLabels:
    def test_rounding_does_not_part_and_small_steps_do(self):
        a = np.array([[[0.5]], [[0.5 + 1e-15]], [[0.5 - 1e-15]], [[0.6]], [[0.5 + 1e-5]]])
        labels = equal_labels(a)
        assert labels[0] == labels[1] == labels[2]
        assert len(set(labels.tolist())) == 3

    def test_equal_keys_of_different_matrices_are_told_apart(self, monkeypatch):
        real = np.random.default_rng

        class Blind:  # the first keys see nothing
            def standard_normal(self, size):
                return np.zeros(size)

        monkeypatch.setattr(np.random, "default_rng", lambda seed: Blind() if seed == 0 else real(seed))
        assert len(set(equal_labels(np.arange(4.0).reshape(4, 1, 1)).tolist())) == 4

    def test_nothing(self):
        assert equal_labels(np.zeros((0, 2, 2))).shape == (0,)
