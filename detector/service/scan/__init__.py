"""The scan stage: input records become work for the judge stage."""
