from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multinomial
from statsmodels.stats.contingency_tables import mcnemar

from mechscope.errors import InvalidInput
from mechscope.stats.paired_shares import compare_paired_shares, share_of


def outcomes(both: int, first_only: int, second_only: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    first = np.repeat([True, True, False, False], [both, first_only, second_only, neither])
    second = np.repeat([True, False, True, False], [both, first_only, second_only, neither])
    return first, second


def test_p_is_the_chance_of_so_uneven_a_split_of_the_items_that_differ():
    found = compare_paired_shares(*outcomes(20, 1, 9, 5))
    assert (found.first_only, found.second_only, found.n) == (1, 9, 35)
    assert found.p == pytest.approx(2 * (1 + 10) / 2**10)  # 10 items differ; 0 or 1 of them one way
    assert found.difference == pytest.approx(-8 / 35)
    assert found.low < found.difference < found.high < 0


def test_items_that_agree_do_not_change_the_p_value_and_order_only_the_sign():
    found = compare_paired_shares(*outcomes(2, 3, 8, 4))
    more = compare_paired_shares(*outcomes(200, 3, 8, 400))
    assert more.p == found.p and abs(more.difference) < abs(found.difference)
    first, second = outcomes(2, 3, 8, 4)
    turned = compare_paired_shares(second, first)
    assert (turned.difference, turned.low, turned.high) == (-found.difference, -found.high, -found.low)
    assert turned.p == found.p


@pytest.mark.parametrize("cells", [(11, 20, 0, 25), (4, 1, 35, 16), (30, 2, 3, 0), (1, 1, 1, 1)])
def test_p_agrees_with_statsmodels(cells):
    both, first_only, second_only, neither = cells
    theirs = mcnemar([[both, first_only], [second_only, neither]], exact=True)
    assert compare_paired_shares(*outcomes(*cells)).p == pytest.approx(float(theirs.pvalue))


def test_outcomes_that_never_differ_are_no_evidence_and_leave_the_difference_uncertain():
    found = compare_paired_shares(*outcomes(10, 0, 0, 10))
    assert found.p == 1.0 and found.difference == 0.0
    assert found.low < 0 < found.high


@pytest.mark.parametrize("truth", [(0.05, 0.05), (0.4, 0.02), (0.2, 0.3), (0.1, 0.6), (0.01, 0.03)])
def test_the_interval_covers_the_truth_as_often_as_it_says(truth):
    """Over every outcome that 56 items can have, weighted by how probable it is."""
    n, covered = 56, 0.0
    for one_way in range(n + 1):
        for other_way in range(n + 1 - one_way):
            chance = multinomial.pmf(
                [one_way, other_way, n - one_way - other_way], n, [*truth, 1 - sum(truth)]
            )
            if chance < 1e-9:
                continue
            found = compare_paired_shares(*outcomes(0, one_way, other_way, n - one_way - other_way))
            covered += chance * (found.low <= truth[0] - truth[1] <= found.high)
    assert covered > 0.935


def test_the_test_rejects_a_true_null_at_most_as_often_as_its_level():
    n, rejected = 40, 0.0
    for one_way in range(n + 1):
        for other_way in range(n + 1 - one_way):
            chance = multinomial.pmf([one_way, other_way, n - one_way - other_way], n, [0.2, 0.2, 0.6])
            if chance > 1e-9:
                p = compare_paired_shares(*outcomes(0, one_way, other_way, n - one_way - other_way)).p
                rejected += chance * (p < 0.05)
    assert 0.005 < rejected < 0.05


def test_what_is_not_a_pair_of_outcomes_is_refused():
    yes = np.array([True, False])
    with pytest.raises(InvalidInput, match="are not pairs"):
        compare_paired_shares(yes, np.array([True]))
    with pytest.raises(InvalidInput, match="are not pairs"):
        compare_paired_shares(yes[:0], yes[:0])
    with pytest.raises(InvalidInput, match="yes or no"):
        compare_paired_shares(yes, np.array([0.2, 0.9]))
    with pytest.raises(InvalidInput, match="not a confidence level"):
        compare_paired_shares(yes, yes, level=95)


def test_as_an_estimate_the_difference_keeps_its_interval_and_test():
    pairs = compare_paired_shares(*outcomes(20, 1, 9, 5))
    estimate = pairs.estimate
    assert (estimate.value, estimate.low, estimate.high) == (pairs.difference, pairs.low, pairs.high)
    assert (estimate.p, estimate.n) == (pairs.p, 35) and estimate.test.startswith("exact McNemar")


@pytest.mark.parametrize("count", [0, 7, 20])
def test_a_share_lies_in_wilson_s_interval_even_at_its_ends(count):
    share = share_of(np.arange(20) < count)
    z, p = 1.959964, count / 20
    middle = (p + z**2 / 40) / (1 + z**2 / 20)
    half = z / (1 + z**2 / 20) * np.sqrt(p * (1 - p) / 20 + z**2 / 1600)
    assert (share.value, share.low, share.high) == pytest.approx((p, middle - half, middle + half), abs=1e-6)
    assert share.n == 20
    with pytest.raises(InvalidInput, match="needs items"):
        share_of(np.array([], dtype=bool))
