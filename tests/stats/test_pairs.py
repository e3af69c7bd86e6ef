from __future__ import annotations

import numpy as np
import pytest

from mechscope.errors import InvalidInput
from mechscope.stats.estimates import Draws
from mechscope.stats.pairs import (
    TwoLabels,
    adjusted_rand,
    mean_by_group,
    mean_similarity_interval,
    mean_within_and_across,
    nearest_share,
    role_swap_test,
    same_label,
    separation,
    separation_estimates,
    separation_interval,
    separation_resampled,
    separation_test,
)

A = np.array([1, 1, 0, 0])
C = np.array([1, 0, 1, 0])


def centred_cosines(x):
    x = x - x.mean(0)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return x @ x.T


def world(rng, per, by_abstract, by_controversy, d=24):
    """Topics in a 2 × 2 design, each label with a direction of its own."""
    abstract, controversial = np.repeat(A, per), np.repeat(C, per)
    x = rng.normal(size=(4 * per, d))
    x[:, 0] += by_abstract * abstract
    x[:, 1] += by_controversy * controversial
    return centred_cosines(x), abstract, controversial, np.repeat(np.arange(4), per)


def slow_separation(matrix, labels, weights=None, between=None):
    """The definition, pair by pair."""
    n = len(labels)
    weights = np.ones(n) if weights is None else weights
    between = np.arange(n) if between is None else between
    sums, counts = {True: 0.0, False: 0.0}, {True: 0.0, False: 0.0}
    for i in range(n):
        for j in range(i):
            if between[i] != between[j]:
                same = bool(labels[i] == labels[j])
                sums[same] += weights[i] * weights[j] * matrix[i, j]
                counts[same] += weights[i] * weights[j]
    return sums[True] / counts[True] - sums[False] / counts[False]


def test_separation_is_the_mean_within_minus_the_mean_across():
    matrix = np.array([[1, 0.8, 0.1, 0.2], [0.8, 1, 0.3, 0.4], [0.1, 0.3, 1, 0.6], [0.2, 0.4, 0.6, 1]])
    np.testing.assert_allclose(separation(matrix, A), [0.7 - 0.25])


def test_many_draws_and_units_at_once_equal_one_at_a_time():
    rng = np.random.default_rng(0)
    units = np.stack([centred_cosines(rng.normal(size=(9, 4))) for _ in range(3)])
    draws = rng.integers(0, 3, size=(5, 9))
    expected = [[slow_separation(unit, labels) for unit in units] for labels in draws]
    np.testing.assert_allclose(separation(units, draws), expected)
    other = rng.integers(0, 2, size=9)
    expected = [[slow_separation(unit, labels, between=other) for unit in units] for labels in draws]
    np.testing.assert_allclose(separation(units, draws, between=other), expected)


def test_the_diagonal_is_not_looked_at():
    rng = np.random.default_rng(1)
    matrix = centred_cosines(rng.normal(size=(8, 3)))
    other = matrix.copy()
    np.fill_diagonal(other, 99)
    labels = np.repeat([0, 1], 4)
    weights = rng.integers(0, 3, size=(6, 8))
    assert np.array_equal(separation(matrix, labels), separation(other, labels))
    resampled = separation_resampled(matrix, labels, weights)
    assert np.array_equal(resampled, separation_resampled(other, labels, weights))
    np.testing.assert_allclose(resampled[:, 0], [slow_separation(matrix, labels, w) for w in weights])


def test_equal_weights_give_the_statistic_itself():
    rng = np.random.default_rng(2)
    matrix = centred_cosines(rng.normal(size=(8, 3)))
    labels = np.repeat([0, 1], 4)
    once = separation_resampled(matrix, labels, np.ones((1, 8), dtype=int))
    np.testing.assert_allclose(once[0], separation(matrix, labels))


def test_p_is_uniform_for_one_label_while_the_other_separates():
    rng = np.random.default_rng(3)
    p = []
    for _ in range(200):
        matrix, abstract, controversial, _ = world(rng, 6, by_abstract=3, by_controversy=0)
        p.append(separation_test(matrix, controversial, within=abstract, resamples=99, rng=rng).p[0])
    p = np.array(p)
    # Binomial(200, q) stays within these bounds in all but about one of a thousand cases.
    assert 0.005 <= (p <= 0.05).mean() <= 0.11
    assert 0.38 <= (p <= 0.5).mean() <= 0.62
    assert p.min() >= 0.01


def test_a_planted_separation_is_found():
    rng = np.random.default_rng(4)
    found = 0
    for _ in range(20):
        matrix, abstract, controversial, _ = world(rng, 10, by_abstract=0, by_controversy=3)
        test = separation_test(matrix, controversial, within=abstract, resamples=199, rng=rng)
        found += test.p[0] == 1 / 200
    assert found == 20


def test_what_one_kind_has_in_common_does_not_pass_between_kinds():
    # Controversial concrete topics share a direction (say, drugs) that no abstract topic has.
    rng = np.random.default_rng(5)
    abstract, controversial = np.repeat(A, 12), np.repeat(C, 12)
    x = rng.normal(size=(48, 24))
    x[(controversial == 1) & (abstract == 0), 0] += 5
    matrix = centred_cosines(x)
    everything = separation_test(matrix, controversial, within=abstract, resamples=199, rng=rng)
    between = separation_test(
        matrix, controversial, within=abstract, between=abstract, resamples=199, rng=rng
    )
    assert everything.p[0] < 0.01
    assert between.p[0] > 0.05


def test_exchanging_roles_has_a_uniform_p_when_the_roles_do_not_matter():
    rng = np.random.default_rng(6)
    p = []
    for _ in range(200):
        matrix, abstract, controversial, _ = world(rng, 6, by_abstract=0, by_controversy=0)
        p.append(role_swap_test(matrix, abstract, controversial, resamples=99, rng=rng).p[0])
    assert 0.005 <= (np.array(p) <= 0.05).mean() <= 0.11


def test_exchanging_roles_finds_the_stronger_label_and_its_sign():
    rng = np.random.default_rng(7)
    matrix, abstract, controversial, _ = world(rng, 12, by_abstract=4, by_controversy=1)
    test = role_swap_test(matrix, abstract, controversial, resamples=499, rng=rng)
    assert test.observed[0] > 0 and test.p[0] < 0.01
    reversed_roles = role_swap_test(matrix, controversial, abstract, resamples=499, rng=rng)
    np.testing.assert_allclose(reversed_roles.observed, -test.observed)


def test_of_two_equally_strong_labels_neither_wins_when_the_interval_is_asked_too():
    rng = np.random.default_rng(13)
    by_exchange, by_both = 0, 0
    for _ in range(150):
        matrix, abstract, controversial, category = world(rng, 10, by_abstract=2, by_controversy=2)
        test = role_swap_test(matrix, abstract, controversial, resamples=199, rng=rng)
        found = separation_interval(
            matrix, abstract, minus=controversial, strata=category, resamples=300, rng=rng
        )
        significant = test.p[0] < 0.05
        by_exchange += significant
        by_both += significant and (found.low[0] > 0 or found.high[0] < 0)
    assert by_exchange / 150 > 0.07  # what the docstring warns of
    assert by_both / 150 < 0.09


@pytest.mark.parametrize("minus", [False, True])
def test_intervals_cover_the_truth(minus):
    rng = np.random.default_rng(8)

    def estimate(per):
        matrix, abstract, controversial, _ = world(rng, per, by_abstract=3, by_controversy=1.5)
        return (separation(matrix, abstract) - minus * separation(matrix, controversial))[0]

    truth = np.mean([estimate(300) for _ in range(4)])
    covered = 0
    for _ in range(120):
        matrix, abstract, controversial, category = world(rng, 15, by_abstract=3, by_controversy=1.5)
        found = separation_interval(
            matrix,
            abstract,
            minus=controversial if minus else None,
            strata=category,
            resamples=300,
            rng=rng,
        )
        covered += found.low[0] <= truth <= found.high[0]
    assert covered / 120 >= 0.88


def test_pairing_an_item_with_its_copy_would_miss_the_truth():
    # The reason for leaving the diagonal out.
    rng = np.random.default_rng(9)
    truth = np.mean([separation(*world(rng, 200, by_abstract=1, by_controversy=0)[:2])[0] for _ in range(4)])
    covered = {"with copies": 0, "without": 0}
    for _ in range(40):
        matrix, abstract, _, category = world(rng, 5, by_abstract=1, by_controversy=0)
        found = separation_interval(matrix, abstract, strata=category, resamples=200, rng=rng)
        covered["without"] += found.low[0] <= truth <= found.high[0]
        drawn = (rng.integers(0, 5, size=(200, 4, 5)) + 5 * np.arange(4)[None, :, None]).reshape(200, 20)
        naive = [separation(matrix[np.ix_(rows, rows)], abstract)[0] for rows in drawn]
        covered["with copies"] += np.quantile(naive, 0.025) <= truth <= np.quantile(naive, 0.975)
    assert covered["without"] >= 35
    assert covered["with copies"] <= 20


def test_the_interval_of_a_mean_contains_it_and_narrows_with_more_items():
    rng = np.random.default_rng(10)
    widths = []
    for n in (20, 80):
        matrix = 1 / (1 + np.abs(np.subtract.outer(*(2 * [rng.normal(size=n)]))))
        found = mean_similarity_interval(matrix, strata=np.zeros(n, dtype=int), resamples=400, rng=rng)
        mean = matrix[np.triu_indices(n, 1)].mean()
        assert found.low[0] < mean < found.high[0]
        widths.append(found.high[0] - found.low[0])
    assert widths[1] < widths[0]


def test_permanova_gives_the_same_statistic_and_p():
    # For two groups of one size, pseudo-F on chord distances is a monotone function of T.
    from skbio.stats.distance import DistanceMatrix, permanova

    rng = np.random.default_rng(11)
    labels = np.repeat([0, 1], 10)
    x = rng.normal(size=(20, 6))
    x[labels == 1, 0] += 0.9
    matrix = centred_cosines(x)
    squared = 2 - 2 * matrix
    np.fill_diagonal(squared, 0)
    theirs = permanova(DistanceMatrix(np.sqrt(np.clip(squared, 0, None))), labels, permutations=1999, seed=1)
    ours = separation_test(matrix, labels, resamples=1999, rng=rng)

    pairs, same = np.triu_indices(20, 1), same_label(labels)[np.triu_indices(20, 1)].astype(bool)
    n_within, n_across = same.sum(), (~same).sum()
    # T and the mean over all pairs give the mean within, hence the sum of squares within.
    within = matrix[pairs].mean() + ours.observed[0] * n_across / (n_within + n_across)
    ss_within = n_within * (2 - 2 * within) / 10
    ss_total = squared[pairs].sum() / 20
    np.testing.assert_allclose((ss_total - ss_within) / (ss_within / 18), theirs["test statistic"])
    assert ours.p[0] == pytest.approx(theirs["p-value"], abs=0.03)
    assert 0.001 < ours.p[0] < 0.5


def test_a_mantel_test_against_the_labels_gives_the_same_p():
    from skbio.stats.distance import DistanceMatrix, mantel

    rng = np.random.default_rng(12)
    labels = np.array([0] * 5 + [1] * 9)
    x = rng.normal(size=(14, 5))
    x[labels == 1, 0] += 1.2
    matrix = centred_cosines(x)
    distance = np.clip(1 - matrix, 0, None)
    np.fill_diagonal(distance, 0)
    _, theirs, _ = mantel(
        DistanceMatrix((distance + distance.T) / 2),
        DistanceMatrix(1 - same_label(labels)),
        permutations=1999,
        alternative="greater",
        seed=2,
    )
    ours = separation_test(matrix, labels, resamples=1999, rng=rng).p[0]
    assert ours == pytest.approx(theirs, abs=0.03)


def test_t_is_the_mean_within_minus_the_mean_across():
    similarity = np.array(
        [[1.0, 0.9, 0.2, 0.4], [0.9, 1.0, 0.1, 0.3], [0.2, 0.1, 1.0, 0.5], [0.4, 0.3, 0.5, 1.0]]
    )
    labels = np.array([3, 3, 7, 7])
    within, across = mean_within_and_across(similarity, labels)
    assert (within, across) == pytest.approx((0.7, 0.25))
    assert separation(similarity, labels)[0] == pytest.approx(within - across)


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2]])
def test_means_within_and_across_need_pairs_of_both_kinds(labels):
    with pytest.raises(InvalidInput, match="same label"):
        mean_within_and_across(np.eye(3), np.array(labels))


def test_the_adjusted_rand_index_has_its_known_values():
    first = np.array([0, 0, 1, 1])
    assert adjusted_rand(first, np.array([5, 5, 2, 2])) == 1
    # Hubert & Arabie: index 1 of 6 pairs in common, 2 and 2 expected to share 4/6.
    assert adjusted_rand(first, np.array([0, 1, 0, 1])) == pytest.approx(-0.5)
    assert adjusted_rand(np.array([0, 0, 1, 2]), np.array([0, 0, 1, 1])) == pytest.approx(0.5714, abs=1e-4)
    with pytest.raises(InvalidInput):
        adjusted_rand(np.zeros(4), np.zeros(4))


def test_shapes_that_do_not_fit_are_refused():
    matrix = np.eye(4)
    with pytest.raises(InvalidInput, match="4 items, but 3 labels"):
        separation(matrix, A[:3])
    with pytest.raises(InvalidInput, match="square"):
        separation(np.ones((3, 4)), A)
    with pytest.raises(InvalidInput, match="differ in"):
        separation(matrix, A, between=A[:2])


@pytest.mark.parametrize("between", [False, True])
def test_estimates_of_separation_are_the_test_and_the_interval_with_draws_of_their_own(between):
    matrix, abstract, controversial, category = world(np.random.default_rng(4), 6, 2.0, 0.0)
    units, draws = np.stack([matrix, matrix**2]), Draws(seed=0, resamples=200)
    differ = controversial if between else None
    shuffled = {"within": controversial, "between": differ}
    estimates = separation_estimates(draws, "a", units, abstract, **shuffled, strata=category, by="shuffled")
    test = separation_test(units, abstract, **shuffled, resamples=200, rng=draws.rng("a test"))
    ends = separation_interval(
        units, abstract, between=differ, strata=category, resamples=200, rng=draws.rng("a interval")
    )
    for unit in range(2):
        one = estimates[unit]
        assert (one.value, one.p, one.test) == (test.observed[unit], test.p[unit], "shuffled")
        assert (one.low, one.high, one.n, one.resamples) == (ends.low[unit], ends.high[unit], 24, 200)


def test_without_strata_separation_is_only_tested_under_the_name_itself():
    matrix, abstract, controversial, _ = world(np.random.default_rng(4), 6, 2.0, 0.0)
    draws = Draws(seed=0, resamples=200)
    estimate = separation_estimates(draws, "a", matrix, abstract, within=controversial, by="shuffled")[0]
    test = separation_test(matrix, abstract, within=controversial, resamples=200, rng=draws.rng("a"))
    assert (estimate.low, estimate.p) == (None, test.p[0])


def test_of_two_labels_each_is_shuffled_within_the_other():
    matrix, abstract, controversial, category = world(np.random.default_rng(4), 6, 2.0, 0.0)
    two = TwoLabels({"a": abstract, "c": controversial}, category, "topic")
    draws = Draws(seed=0, resamples=100)
    for between in (False, True):
        for label, values, other in (("a", abstract, controversial), ("c", controversial, abstract)):
            estimate = two.separations(draws, "x ", matrix, between=between)[label][0]
            direct = separation_estimates(
                draws,
                f"x {label}",
                matrix,
                values,
                within=other,
                between=other if between else None,
                strata=category,
                by="permutation of labels among topics that agree on the other label, one-sided",
            )[0]
            assert estimate == direct
    assert two.separations(draws, "", matrix, intervals=False)["a"].interval is None


def test_the_stronger_label_separates_more_by_test_and_interval():
    matrix, abstract, controversial, category = world(np.random.default_rng(2), 10, 4.0, 0.0)
    draws = Draws(seed=0, resamples=300)
    difference = TwoLabels({"a": abstract, "c": controversial}, category).difference(draws, "d", matrix)
    assert difference.value == pytest.approx(
        separation(matrix, abstract)[0] - separation(matrix, controversial)[0]
    )
    assert difference.low > 0 and difference.p < 0.05 and difference.n == 40
    swapped = TwoLabels({"c": controversial, "a": abstract}, category).difference(draws, "d", matrix)
    assert (swapped.value, swapped.low) == pytest.approx((-difference.value, -difference.high))


def test_means_by_group_leave_items_out_of_their_own_group_s_pairs():
    matrix = np.array([[1, 0.8, 0.1, 0.2], [0.8, 1, 0.3, 0.4], [0.1, 0.3, 1, 0.6], [0.2, 0.4, 0.6, 1]])
    np.testing.assert_allclose(mean_by_group(matrix, np.array([5, 5, 9, 9])), [[0.8, 0.25], [0.25, 0.6]])
    with pytest.raises(InvalidInput, match="no pairs"):
        mean_by_group(matrix, np.array([0, 1, 1, 1]))


@pytest.mark.parametrize(("labels", "share"), [([1, 1, 0, 0], 1.0), ([1, 0, 1, 0], 0.0), ([1, 1, 1, 0], 0.5)])
def test_the_nearest_neighbour_is_another_item(labels, share):
    matrix = np.array([[1, 0.8, 0.1, 0.2], [0.8, 1, 0.3, 0.4], [0.1, 0.3, 1, 0.6], [0.2, 0.4, 0.6, 1]])
    assert nearest_share(matrix, np.array(labels)) == share
