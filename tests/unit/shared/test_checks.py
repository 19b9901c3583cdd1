"""Checks of a playbook against values as clients send them."""

from typing import Any

import pytest

from shared.playbook.checks import compile_check
from shared.playbook.values import Check


@pytest.mark.parametrize(
    ("check", "passes", "fails"),
    [
        ("学生", ["学生", " 学生 "], ["生徒", None, 1]),
        ("CEO", ["ceo", "ＣＥＯ"], ["CEOs"]),
        (True, [True], [1, "true", None, False]),
        (1, [1, 1.0], [True, "1"]),
        (["製造", "金融"], ["製造", ["小売", "金融"]], ["小売", None, {}]),
        (
            {"at_least": 50, "under": 300},
            [50, 299, "120", "1２0"],
            [300, 49, None, "many", True, "Infinity", "nan", 10**400],
        ),
        ({"over": 100}, [100.1, "1,200"], [100, "100"]),
        ({"starts_with": "/product"}, ["/products/a", "/Product"], ["/blog/product", None, 3]),
        (
            {"like": ["*部長", "VP ?f *"]},
            ["営業部長", "ＶＰ of Sales", ["x", "部長"]],
            ["部長代理", "VP Sales", None, 5],
        ),
        ({"like": "[a]*"}, ["[A]b"], ["ab", "a"]),
        ({"contains": ["部長", "課長"]}, ["営業部長", "課長補佐"], ["担当", None]),
        ({"present": True}, ["x", 0, False], [None, ""]),
        ({"present": False}, [None, ""], ["x", 0]),
        ({"not_in": ["a"]}, ["b", None], ["a", "A"]),
    ],
)
def test_checks(check: Any, passes: list[Any], fails: list[Any]) -> None:
    holds = compile_check(Check.model_validate(check))
    assert [value for value in passes if not holds(value)] == []
    assert [value for value in fails if holds(value)] == []
