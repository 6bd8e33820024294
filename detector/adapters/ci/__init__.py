"""Services that run pipelines: Buildkite, CircleCI, Azure DevOps."""
