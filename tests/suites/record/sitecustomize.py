"""Writes how each unittest ended to the file of SUITE_RECORD. Python imports this by its name where it is on the path."""

import os
import unittest

if os.environ.get("SUITE_RECORD"):

    def _recorded(method, outcome):
        plain = getattr(unittest.TestResult, method)

        def add(self, test, *rest):
            # Tests of test runners tell of tests that are none.
            if hasattr(test, "id"):
                with open(os.environ["SUITE_RECORD"], "a") as record:
                    record.write(f"{outcome} {test.id()}\n")
            return plain(self, test, *rest)

        setattr(unittest.TestResult, method, add)

    for _method, _outcome in {
        "addSuccess": "ok",
        "addFailure": "failed",
        "addError": "failed",
        "addSkip": "skipped",
        "addExpectedFailure": "ok",
        "addUnexpectedSuccess": "failed",
    }.items():
        _recorded(_method, _outcome)

    def _add_sub_test(self, test, subtest, error, _plain=unittest.TestResult.addSubTest):
        if error is not None:
            with open(os.environ["SUITE_RECORD"], "a") as record:
                record.write(f"failed {test.id()}\n")
        return _plain(self, test, subtest, error)

    unittest.TestResult.addSubTest = _add_sub_test
