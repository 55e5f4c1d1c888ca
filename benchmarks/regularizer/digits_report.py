"""The report of the digits experiment, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from digits_store import Record
from digits_study import BASELINE, LEVEL, TEST, TUNING, Study, Tested, compare
from digits_tables import angle_table, comparison_table, mean_accuracy, name, sweep_table, time_table, title
from digits_training import LAYERS, METHODS, MOMENTUM, PLACES, WIDTHS, split_of

__all__ = ["report", "verdict"]


def report(study: Study, record: Record, command: str) -> str:
    """Return the whole report."""
    tuned = study.against([(arm, BASELINE) for arm in study.tuned])
    published = study.against([(arm, BASELINE) for arm in study.published])
    first = study.settings.methods[0]
    rivals = study.against(
        [
            (study.chosen(method, place), study.chosen(first, place))
            for place in PLACES
            for method in study.settings.methods[1:]
        ]
    )
    text = [
        "# The regularisers on a small problem: scikit-learn's digits",
        "",
        *_head(study, record),
        "",
        "## What it shows",
        "",
        f"* With tuned coefficients, against the baseline: {verdict(tuned)}",
        f"* With the papers' coefficients, against the baseline: {verdict(published)}",
        f"* The tuned losses against {METHODS[first].title} in the same place: {verdict(rivals)}",
        *(f"* {sentence}" for sentence in (*_widest(study), *_apart(study, rivals))),
        f"* {_useful(study)}",
        "",
        "## Accuracy: which loss, on which layers",
        "",
        f"After the paper's Table 2. Coefficients tuned alike: {study.settings.coefs} a loss and place, on "
        f"{study.settings.tuning_seeds} tuning seeds; then fresh seeds, on other images. *t* is the difference over "
        "its standard error, *p* that of the two-sided paired t-test after Holm's correction for the comparisons of "
        f"the table; bold below {LEVEL:g}. Baseline: {mean_accuracy(study, TEST, BASELINE)}.",
        "",
        *comparison_table(tuned, "the baseline"),
        "",
        *_edges(study),
        "The coefficients of the papers, without tuning; MHE with its subset of 30 % of the rows:",
        "",
        *comparison_table(published, "the baseline"),
        "",
        "## Accuracy: one loss against another",
        "",
        f"The tuned losses against {METHODS[first].title} in the same place.",
        "",
        *comparison_table(rivals, METHODS[first].title),
        "",
        "## Minimal angle of every layer after training",
        "",
        "After the paper's Table 3 and Supplement D; degrees, on the test seeds. No rows of such number and width "
        "exceed the bound. The network has angles of its own: those of the baseline are what its first weights and its "
        "training leave.",
        "",
        *angle_table(study),
        "",
        "![minimal angles by layer](digits_angles.png)",
        "",
        "## Against the coefficient",
        "",
        "After the paper's Figures 3 and 4, on the tuning seeds: mean and standard error. A ring marks the coefficient "
        "of the best mean accuracy; a curve of angles ends where a run diverged. What is far below the baseline, "
        "where networks fall apart, is not drawn.",
        "",
        "![accuracy and minimal angles against the coefficient](digits_sweep.png)",
        "",
        "Mean accuracy on the tuning seeds, by coefficient in units of the paper's; the chosen one in bold. "
        f"Baseline: {mean_accuracy(study, TUNING, BASELINE)}.",
        "",
        *sweep_table(study),
        "",
        *_scaled(study),
        "",
        "## Time of a step",
        "",
        f"A training step with the term on all layers over one without, {study.settings.batch} images, one thread; "
        f"the two alternate, {study.settings.timing_steps} steps each, {study.settings.timing_pairs} ratios. The term "
        "costs the same whatever the batch, and this network on so few images costs next to nothing: the ratios are "
        "large, and say little about larger networks and batches.",
        "",
        *time_table(record.timing),
        "",
        *_settings(study, record),
        "",
        f"Command: `{command}`",
    ]
    return "\n".join(text) + "\n"


def _head(study: Study, record: Record) -> list[str]:
    """Return machine, versions and settings."""
    found = dict(record.versions)
    python = found.pop("python")
    held_out = len(split_of(TEST, 0, study.settings.train_images).held_y)
    return [
        f"{record.machine['processor']}, {record.machine['cores']} cores, one thread a run; "
        f"{record.machine['system']}, Python {python}, "
        f"{', '.join(f'{library} {number}' for library, number in found.items())}.",
        "",
        f"{study.settings.train_images} training images of 8 × 8 pixels, a network {'-'.join(map(str, WIDTHS))} with "
        f"ReLU. Accuracies in per cent on {held_out} held-out images; means over {study.settings.test_seeds} seeds, "
        "with their standard errors. Runs of one seed share images, first weights and batches, so differences are "
        "taken seed by seed. The terms are those of `tammes.nn.Regularizer`, and every angle is measured by "
        "`tammes.weights.measure`.",
    ]


# --- what it shows ----------------------------------------------------------------------------------


def verdict(tested: Sequence[Tested]) -> str:
    """Return how many comparisons show better, worse, or neither, and by how much."""
    parts = []
    for sign, word in ((1, "better"), (-1, "worse")):
        found = [one for one in tested if one.sign == sign]
        if found:
            sizes = sorted((one.comparison.difference for one in found), key=abs)
            span = f"{sizes[0]:+.2f}" if len(found) == 1 else f"{sizes[0]:+.2f} to {sizes[-1]:+.2f}"
            names = ", ".join(name(one.arm) for one in found)
            parts.append(f"{len(found)} of {len(tested)} {word}, by {span} points ({names})")
    rest = sum(one.sign == 0 for one in tested)
    if rest:
        parts.append(f"{rest} of {len(tested)} not told apart by these seeds")
    return f"{'; '.join(parts)}."


def _widest(study: Study) -> list[str]:
    """Return for each layer the loss with the largest mean minimal angle, and the difference to the next one."""
    lines = []
    for words, arms in (("the papers'", study.published), ("the tuned", study.tuned)):
        shown = [BASELINE, *(arm for arm in arms if arm.place == "both")]
        parts = []
        for layer, layer_name in enumerate(LAYERS):
            means = {arm: study.mean_angle(TEST, arm, layer)[0] for arm in shown}
            first, second = sorted(shown, key=lambda arm: -means[arm])[:2]
            gap = compare(study.angles(TEST, first, layer), study.angles(TEST, second, layer))
            parts.append(
                f"{layer_name}: {title(first)} {means[first]:.2f}° ({title(second)} {gap.difference:.2f}° ± "
                f"{gap.difference_se:.2f}° less; baseline {means[BASELINE]:.2f}°)"
            )
        lines.append(f"Largest minimal angles with {words} coefficients on both kinds of layers: {'; '.join(parts)}.")
    return lines


def _apart(study: Study, rivals: Sequence[Tested]) -> list[str]:
    """Return the sentence that angles differ where accuracies do not, if they do."""
    if any(one.sign for one in rivals if one.arm.place == "both"):
        return []
    arms = [arm for arm in study.tuned if arm.place == "both"]
    angles = [study.mean_angle(TEST, arm, 0)[0] for arm in arms]
    return [
        f"The {len(arms)} tuned losses on both kinds of layers, whose accuracies are not told apart, leave minimal "
        f"angles from {min(angles):.1f}° to {max(angles):.1f}° in {LAYERS[0]}: among them, a larger angle shows no "
        "measurable gain in accuracy."
    ]


def _useful(study: Study) -> str:
    """Return how far the coefficients of the best accuracy are from those of the papers."""
    ratios = [arm.coef / METHODS[arm.method].coef for arm in study.tuned]
    return (
        f"The coefficients of the best accuracy on the tuning seeds are {min(ratios):.4g} to {max(ratios):.4g} times "
        "those of the papers."
    )


# --- the smaller sections ---------------------------------------------------------------------------


def _edges(study: Study) -> list[str]:
    """Return the choices at an end of the sweep, beyond which a better one may lie."""
    ends = [arm for arm in study.tuned if arm.coef in (study.coefs(arm.method)[0], study.coefs(arm.method)[-1])]
    named = ", ".join(f"{name(arm)} {arm.coef:g}" for arm in ends)
    return [f"Chosen at an end of the sweep, beyond which others may be better: {named}.", ""] if ends else []


def _scaled(study: Study) -> list[str]:
    """Return the section on the other scaling of the pixels."""
    plain, *arms = study.other_scaling
    return [
        "## With every pixel scaled by itself",
        "",
        "The losses on both kinds of layers, with learning rate, weight decay and coefficients as above, not tuned "
        "again; but every pixel is divided by its own standard deviation over the training images, so that pixels "
        f"that are seldom lit become loud. Baseline: {mean_accuracy(study, TEST, plain)}.",
        "",
        *comparison_table(study.against([(arm, plain) for arm in arms]), "the baseline"),
    ]


def _settings(study: Study, record: Record) -> list[str]:
    """Return the section on method and limitations."""
    settings, (rate, decay) = study.settings, study.base
    grid = "; ".join(
        f"{own_rate:g} and {own_decay:g}: {mean:.2f} ± {error:.2f}"
        for (own_rate, own_decay), (mean, error) in study.baseline_tuning().items()
    )
    return [
        "## Settings and limitations",
        "",
        f"* Training: cross-entropy, SGD with momentum {MOMENTUM:g}, {settings.epochs} epochs of "
        f"{-(-settings.train_images // settings.batch)} batches, learning rate {rate:g} going to zero along a cosine, "
        f"weight decay {decay:g} on all parameters, float32. No augmentation, no batch norm.",
        f"* Learning rate and weight decay are the baseline's best of {len(study.pairs)} pairs on the tuning seeds, as "
        "many as a loss has coefficients, and the losses inherit them. Accuracy there, by rate and decay: "
        f"{grid}.",
        "* Pixels: centred one by one and divided by one standard deviation, both of the training images.",
        "* The images are split in two halves once, stratified: one half for tuning, one for the test. No image that "
        "chose a coefficient judges one. Within a half every seed draws its training images, stratified by class.",
        "* Losses are means over rows (MMA, cosine) or pairs (MHE), as in the papers; orthogonal is the sum over "
        "pairs. A loss on both kinds of layers has one coefficient. The paper has none for the cosine loss on "
        "networks: it has MMA's here. MHE is swept on all rows, and has its random subset with its paper's coefficient "
        "only.",
        "* The seeds of a part share its images, so the standard errors speak of other training sets, first weights "
        "and batches from these images, not of other problems.",
        "* One small network on one easy problem with few images. Nothing here is measured on large networks.",
        f"* {len(record.done)} runs, {record.minutes:.0f} minutes of a shared machine.",
    ]
