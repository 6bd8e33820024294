"""`curfewd fetch`: brings runs, jobs and logs from GitHub or GitLab as files that a replay reads."""
