"""Teacher forcing of several targets of a row, against the loss of each by itself."""

import cases
import pytest
import torch

from vlhyper.model.likelihood import log_likelihood


@pytest.mark.parametrize(
    ("method", "backbone", "some"),
    [
        ("vl_hyperpelt", "original", False),
        ("vl_hyperpelt", "original", True),
        ("vl_adapter", "original", True),
        ("vl_t5", "original", False),
        ("hyperpelt", "original", False),
        ("prompt_tuning", "original", False),
        ("vl_hyperpelt", "bart", True),
        ("vl_hyperpelt", "t5gemma", True),
    ],
)
def test_it_is_the_negative_loss_of_each_target(method, backbone, some):
    model, batch = cases.model(method, backbone), cases.batch(method)
    batch = cases.mixed(batch) if some else batch
    inputs = cases.without_labels(batch)
    targets = torch.stack([batch["labels"], batch["labels"].roll(1, 0), batch["labels"].roll(2, 0)], 1)
    found = log_likelihood(model, targets, inputs)
    for row in range(4):
        for choice in range(3):
            one = cases.rows({**batch, "labels": targets[:, choice]}, slice(row, row + 1))
            with torch.no_grad():
                torch.testing.assert_close(-found[row, choice], model(**one, denominator=1), rtol=1e-4, atol=1e-4)
