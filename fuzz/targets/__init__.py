"""One module per target: `WORDS`, a dictionary for the fuzzer, and `prepared`, which returns what takes the bytes.

`prepared` imports the code under test, so that its coverage is seen. What it returns raises for a finding: an
exception that the code under test should not let out, or an AssertionError. Refusals are no findings.
"""
