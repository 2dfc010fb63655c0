"""Rows and bars as people read them."""

from __future__ import annotations

from CovidLungQuantLib.results.table_rows import comparison_table, third_bars


def test_the_comparison_is_written_for_people():
    row = {"key": "lesion", "name": "All lesions (burden)", "ai_ml": 12.34, "corrected_ml": 10.0, "delta_ml": -2.34}
    same = {"key": "ggo", "name": "GGO", "ai_ml": 1.0, "corrected_ml": 1.0, "delta_ml": -0.001}
    header, cells = comparison_table(
        [
            row | {"dice": 0.91234, "ai_percent": 3.04, "corrected_percent": None},
            same | {"dice": None, "ai_percent": 0.0, "corrected_percent": 0.0},
        ]
    )
    assert header == ["Class", "Now (ml)", "Now (%)", "± (ml)", "Dice", "AI (ml)", "AI (%)"]
    assert cells == [
        ["All lesions", "10.0", "–", "-2.3", "0.912", "12.3", "3.0"],
        ["GGO", "1.0", "0.0", "0.0", "–", "1.0", "0.0"],
    ]


def test_the_bars_are_the_six_thirds_from_right_upper_to_left_lower():
    regions = [
        {"side": side, "third": third, "ggo_percent": n, "high_opacity_percent": None}
        for n, (side, third) in enumerate((s, t) for s in ("both", "right", "left") for t in ("all", "upper", "lower"))
    ]
    labels, series = third_bars({"regions": regions})
    assert labels == ["R up", "R low", "L up", "L low"]
    assert series == {"GGO": [4, 5, 7, 8], "High opacity": [None] * 4}
