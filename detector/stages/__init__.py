"""The scan stage: records and the registered credentials in, typed facts out. The judge stage is `detector.judge.stage`."""
