"""Means over seeds, tables, and files of results."""

import pytest

from vlhyper.errors import UserError
from vlhyper.fewshot.results import Result, curves, read_results, table_of, write_result
from vlhyper.metrics.seeds import point


def result(shots: int, seed: int, score: float, **values) -> Result:
    known = {"task": "cb", "name": "hyperpelt", "title": "HyperPELT", "method": "hyperpelt", "tune": None}
    known |= {"shots": shots, "seed": seed, "score": score, "metrics": {"accuracy": score}, "n": 28, "validation": None}
    known |= {"best_step": None, "steps": 9, "trained": 37632, "total": 99, "start": None, "sample_sha256": None}
    return Result.model_validate({**known, "inputs": {}, "seconds": 1.0, **values})


def test_mean_and_sample_deviation_over_seeds():
    # NumPy: mean([50, 60, 70]) = 60, std(ddof=1) = 10.
    assert point([50.0, 60.0, 70.0]) == (60.0, 10.0)
    assert point([50.0]) == (50.0, None)
    assert (str(point([50.0, 60.0, 70.0])), str(point([50.0]))) == ("60.0 ± 10.0", "50.0")


def test_a_curve_for_each_task_and_model_and_a_column_for_each_number_of_shots(tmp_path):
    made = [result(4, 0, 50.0), result(4, 1, 60.0), result(0, 0, 40.0), result(16, 0, 70.0, title="Prompt-tuning")]
    for number, one in enumerate(made):
        write_result(tmp_path / str(number), one)
    assert read_results([tmp_path]) == made
    columns, rows = table_of(curves(read_results([tmp_path, tmp_path / "0"])))
    assert columns == ("task", "method", "trained", "0", "4", "16")
    assert rows == [
        ("cb", "HyperPELT", "37,632", "40.0", "55.0 ± 7.1", ""),
        ("cb", "Prompt-tuning", "37,632", "", "", "70.0"),
    ]


def test_two_different_results_of_one_seed_are_refused():
    with pytest.raises(UserError, match="cb, HyperPELT: two results of 4 shots with seed 0 differ"):
        curves([result(4, 0, 50.0), result(4, 0, 60.0)])


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds no few-shot result \(result\.json\)"):
        read_results([tmp_path])


def test_a_file_that_is_no_result_is_named(tmp_path):
    (tmp_path / "result.json").write_text('{"shots": 4}')
    with pytest.raises(UserError, match=r"result\.json: task: field required"):
        read_results([tmp_path])
