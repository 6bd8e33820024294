"""The scan stage: records and the registered credentials in, typed facts out.

See `detector.judge.stage` for the other.
"""
