"""Facts about which examples of each class are learned from, and which are validated on."""

import pytest
import torch

from pocket.few_shot import split_few_shot

LABELS = torch.tensor([0, 1, 2] * 9 + [1] * 5)[torch.randperm(32, generator=torch.Generator().manual_seed(0))]


@pytest.mark.parametrize("shots, checks", [(1, 1), (4, 2), (5, 4), (0, 3), (9, 0)])
def test_a_split_has_so_many_of_each_class_and_none_twice(shots, checks):
    train, validation = split_few_shot(LABELS, shots, checks, seed=0)
    for chosen, each in ((train, shots), (validation, checks)):
        assert LABELS[chosen].bincount(minlength=3).tolist() == [each] * 3
    both = train.tolist() + validation.tolist()
    assert len(set(both)) == len(both)


def test_the_same_seed_chooses_the_same_and_another_seed_others():
    one, same, other = (torch.cat(split_few_shot(LABELS, 4, 2, seed)).tolist() for seed in (0, 0, 1))
    assert one == same and set(one) != set(other)
    torch.manual_seed(5)  # whatever else is random
    assert torch.cat(split_few_shot(LABELS, 4, 2, 0)).tolist() == one


def test_fewer_shots_are_among_more_and_are_validated_on_the_same():
    few, many = (split_few_shot(LABELS, shots, 2, seed=3) for shots in (2, 5))
    assert set(few[0].tolist()) < set(many[0].tolist()) and torch.equal(few[1], many[1])


def test_a_class_with_too_few_examples_is_named():
    with pytest.raises(ValueError, match="class 0 has 9 examples; 8 shots and 2 checks need 10"):
        split_few_shot(LABELS, 8, 2, seed=0)
    with pytest.raises(ValueError, match="class 1 has 0 examples"):
        split_few_shot(torch.tensor([0, 0, 2, 2]), 1, 1, seed=0)
